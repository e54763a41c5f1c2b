/** What is asked before something is done that cannot be undone. */
export interface Question {
  title: string;
  text: string;
  /** The button that does it, as a verb: "End broadcast". */
  action: string;
}

interface Asked extends Question {
  answer: (yes: boolean) => void;
}

/** The question that the page asks now: there is one place for it, in the shell. */
class Asking {
  asked = $state.raw<Asked | undefined>();

  /** Asks, and resolves with the answer. A question that another one replaces is answered by no. */
  ask(question: Question): Promise<boolean> {
    this.asked?.answer(false);
    return new Promise((resolve) => {
      this.asked = {
        ...question,
        answer: (yes) => {
          this.asked = undefined;
          resolve(yes);
        },
      };
    });
  }
}

export const asking = new Asking();

/** Asks whether something is to be done. */
export const ask = (question: Question): Promise<boolean> => asking.ask(question);

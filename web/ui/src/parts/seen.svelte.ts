/** Does something every so often while the page can be seen, and at once when it can be seen again. */
export function whileSeen(everyMs: number, work: () => void): void {
  $effect(() => {
    const look = () => {
      if (!document.hidden) work();
    };
    const timer = setInterval(look, everyMs);
    document.addEventListener('visibilitychange', look);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
    };
  });
}

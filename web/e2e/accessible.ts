import axe from 'axe-core';
import type { Page } from '@playwright/test';

declare global {
  interface Window {
    axe: typeof axe;
  }
}

/**
 * What is wrong with a page for somebody who cannot see it well, or not at all, by WCAG 2.2 A and AA: each with the places. Text
 * before a ground that axe cannot tell is wrong as well, because nobody has looked whether it can be read.
 */
export async function violations(page: Page): Promise<string[]> {
  // By the debugger, which no content policy binds.
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    // Reactions rise over the lamp, and are for the eye alone: with their layer above it, axe would not look at the lamp.
    const floats = document.querySelector<HTMLElement>('[data-testid=floats]');
    if (floats) floats.hidden = true;
    const { violations, incomplete } = await window.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      resultTypes: ['violations', 'incomplete'],
    });
    if (floats) floats.hidden = false;
    const untold = incomplete
      .filter(({ id }) => id === 'color-contrast')
      .map((rule) => ({ ...rule, nodes: rule.nodes.filter(({ any }) => any.some(({ data }) => (data as { messageKey?: string } | null)?.messageKey === 'bgOverlap')) }));
    return [...violations, ...untold].flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${help}\n  ${target.join(' ')}\n  ${failureSummary ?? ''}`),
    );
  });
}

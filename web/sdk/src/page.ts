/** What the client wants to know of the page it lives in. */
export interface PageSignals {
  /** The page is being left: say goodbye now, there is no later. */
  onHide: () => void;
  /** The page came back out of the browser's back/forward cache. */
  onShow: () => void;
  /** The page came to the front, or went to the back: the browser may treat it otherwise from now on. */
  onVisibility: () => void;
  /** The browser says that the network came or went: a good moment to look. */
  onNetwork: () => void;
}

/** Watches the page until the returned function is called. Outside of a browser it does nothing. */
export function watchPage({ onHide, onShow, onVisibility, onNetwork }: PageSignals): () => void {
  if (typeof window === 'undefined' || typeof document === 'undefined') return () => undefined;
  const show = (event: PageTransitionEvent) => {
    if (event.persisted) onShow();
  };
  window.addEventListener('pagehide', onHide);
  window.addEventListener('pageshow', show);
  document.addEventListener('visibilitychange', onVisibility);
  window.addEventListener('online', onNetwork);
  window.addEventListener('offline', onNetwork);
  return () => {
    window.removeEventListener('pagehide', onHide);
    window.removeEventListener('pageshow', show);
    document.removeEventListener('visibilitychange', onVisibility);
    window.removeEventListener('online', onNetwork);
    window.removeEventListener('offline', onNetwork);
  };
}

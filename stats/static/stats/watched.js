// Keeps a page about something under way up to date: asks for it again every second until that has ended.
// Only the live parts are touched meanwhile, so that scroll and focus stay; at the end the whole page is taken.
"use strict";

(() => {
  const EVERY = 1000; // ms between two looks
  const PATIENCE = 10000; // ms until a look counts as failed
  const watched = document.querySelector("[data-watched]");
  let timer = null;

  async function look() {
    timer = null;
    try {
      const answer = await fetch(location.href, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
      if (!answer.ok || answer.redirected) {
        throw new Error(`answered with ${answer.status}`);
      }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-watched]");
      if (fresh === null) {
        location.reload(); // its times, its undo
        return;
      }
      for (const mine of watched.querySelectorAll("[data-live]")) {
        const theirs = fresh.querySelector(`[data-live="${mine.dataset.live}"]`);
        if (theirs !== null && mine.innerHTML !== theirs.innerHTML) {
          mine.innerHTML = theirs.innerHTML;
        }
      }
    } catch {
      // The next look may succeed; what is shown stays.
    }
    plan();
  }

  function plan() {
    if (timer === null && !document.hidden) {
      timer = setTimeout(look, EVERY);
    }
  }

  if (watched !== null) {
    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      timer = null;
      plan();
    });
    plan();
  }
})();

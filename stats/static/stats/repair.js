// Keeps the progress of a repair up to date: asks for the page again every two seconds until it has ended.
"use strict";

(() => {
  const EVERY = 2000; // ms between two looks
  const PATIENCE = 10000; // ms until a look counts as failed
  const section = document.querySelector(".tg-repair[data-running]");
  let timer = null;

  async function look() {
    timer = null;
    try {
      const answer = await fetch(location.href, { signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
      if (!answer.ok || answer.redirected) {
        throw new Error(`answered with ${answer.status}`);
      }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".tg-repair");
      if (!fresh.hasAttribute("data-running")) {
        location.reload(); // its times, its undo
        return;
      }
      const [mine, theirs] = [section, fresh].map((one) => one.querySelector("[data-live]"));
      if (mine.innerHTML !== theirs.innerHTML) {
        mine.innerHTML = theirs.innerHTML;
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

  if (section !== null) {
    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      timer = null;
      plan();
    });
    plan();
  }
})();

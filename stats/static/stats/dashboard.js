// Keeps the admin's first page up to date: asks for the page again every few seconds and takes over what changed.
// Nothing that is the same is touched, so nothing flickers, and scroll, focus and open parts stay as they are.
"use strict";

(() => {
  const EVERY = 5000; // ms between two looks
  const AT_FIRST = 1000; // the same while nothing has come: the first request is to be seen at once
  const PATIENCE = 10000; // ms until a look counts as failed
  const dashboard = document.getElementById("tg-dashboard");
  const light = dashboard.querySelector(".tg-live");
  let timer = null;
  let current = true;

  function tellZone() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (!zone || zone === dashboard.dataset.zone) {
      return false;
    }
    const before = document.cookie.includes(`tallygate_zone=${zone}`);
    document.cookie = `tallygate_zone=${zone}; path=/; max-age=31536000; samesite=strict`;
    return !before && document.cookie.includes("tallygate_zone=");
  }

  function show(state, text) {
    light.dataset.state = state;
    const place = light.querySelector(".tg-live-text");
    if (place.textContent !== text) {
      place.textContent = text;
    }
  }

  function takeOverChart(mine, theirs) {
    if (mine.dataset.value === theirs.dataset.value) {
      return;
    }
    mine.dataset.value = theirs.dataset.value;
    mine.setAttribute("aria-label", theirs.getAttribute("aria-label"));
    const chart = window.Chart.getChart(mine);
    const fresh = JSON.parse(theirs.dataset.value);
    const sameLines =
      chart.data.datasets.map((one) => one.label).join() === fresh.datasets.map((one) => one.label).join();
    chart.data.labels = fresh.labels;
    if (sameLines) {
      fresh.datasets.forEach((one, place) => {
        chart.data.datasets[place].data = one.data;
      });
    } else {
      chart.data.datasets = fresh.datasets;
    }
    chart.update("none");
  }

  const texts = (node) => [...node.childNodes].filter((one) => one.nodeType === Node.TEXT_NODE);
  const holdsChart = (node) => node.querySelector("canvas") !== null;

  function takeOverAttributes(mine, theirs) {
    for (const { name, value } of theirs.attributes) {
      if (name !== "value" && name !== "open" && mine.getAttribute(name) !== value) {
        mine.setAttribute(name, value);
      }
    }
    if (mine.nodeName === "PROGRESS") {
      mine.value = theirs.value;
    }
  }

  // Changes texts, charts and attributes in place. What has other elements than before, say a list with one more
  // row, is made anew, but never a chart: false where that would be needed.
  function takeOver(mine, theirs) {
    if (mine.nodeName !== theirs.nodeName) {
      return false;
    }
    if (mine.nodeName === "CANVAS") {
      takeOverChart(mine, theirs);
      return true;
    }
    takeOverAttributes(mine, theirs);
    const [ours, fresh] = [texts(mine), texts(theirs)];
    if (mine.children.length === theirs.children.length && ours.length === fresh.length) {
      ours.forEach((one, place) => {
        if (one.data !== fresh[place].data) {
          one.data = fresh[place].data;
        }
      });
      if ([...mine.children].every((child, place) => takeOver(child, theirs.children[place]))) {
        return true;
      }
    }
    if (holdsChart(mine) || holdsChart(theirs)) {
      return false;
    }
    mine.innerHTML = theirs.innerHTML;
    return true;
  }

  function replace(mine, theirs) {
    for (const canvas of mine.querySelectorAll("canvas")) {
      window.Chart.getChart(canvas)?.destroy();
    }
    mine.innerHTML = theirs.innerHTML;
    for (const canvas of mine.querySelectorAll("canvas")) {
      new window.Chart(canvas, {
        type: canvas.dataset.type,
        data: JSON.parse(canvas.dataset.value),
        options: JSON.parse(canvas.dataset.options),
      });
    }
  }

  async function look() {
    timer = null;
    try {
      const answer = await fetch(location.href, {
        headers: { "X-Requested-With": "XMLHttpRequest" },
        signal: AbortSignal.timeout(PATIENCE),
        cache: "no-store",
      });
      if (!answer.ok || answer.redirected) {
        throw new Error(answer.redirected ? "logged out" : `answered with ${answer.status}`);
      }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of dashboard.querySelectorAll("[data-live]")) {
        const theirs = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
        const typing = part.contains(document.activeElement) && document.activeElement.nodeName === "INPUT";
        if (theirs && !takeOver(part, theirs) && !typing) {
          replace(part, theirs);
        }
      }
      current = true;
      show("live", light.dataset.saidLive);
    } catch (error) {
      if (current) {
        current = false;
        const since = new Date().toLocaleTimeString(document.documentElement.lang);
        const said = light.dataset;
        show("stale", error.message === "logged out" ? said.saidLoggedOut : said.saidStale.replace("{time}", since));
      }
    }
    plan();
  }

  function pause() {
    const isOver = new URLSearchParams(location.search).has("end"); // a time to which nothing comes
    return dashboard.querySelector(".tg-empty") !== null && !isOver ? AT_FIRST : EVERY;
  }

  function plan() {
    if (timer === null && !document.hidden) {
      timer = setTimeout(look, pause());
    }
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    timer = null;
    if (!document.hidden) {
      look();
    }
  });

  if (tellZone()) {
    location.reload();
  } else {
    plan();
  }
})();

// Live by hints: the server names what changed, the parts that show it fetch themselves by their own URL.
//
//   <section id="runs" data-live="runs approvals">    fetches the page's URL with HX-Target, gets only this part
//   <nav id="nav" data-live="runs" data-src="/nav/">  fetches another URL
//
// Nothing moves under the hand: while rows are ticked, a form is dirty or focused, text is selected or a menu is open
// within a part, the part waits and says how many updates it holds back.
(() => {
  const POLL = 15_000, PAUSE = 1_000;
  const tags = new WeakMap(), waiting = new WeakMap(), busy = new WeakSet(), again = new WeakSet();
  let stream = null, poll = null;

  const parts = () => [...document.querySelectorAll("[data-live][id]")];

  function held(part) {
    const selection = getSelection();
    return part.querySelector("input[data-tick]:checked, form[data-js-dirty], details[open].pop, details[open].menu, form.htmx-request")
      || part.querySelector("form :is(input:not([type=hidden]), select, textarea):focus")
      || (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  }

  function chip(part) {
    const found = part.previousElementSibling;
    if (found?.matches(".newer")) return found;
    const button = Object.assign(document.createElement("button"), { type: "button", className: "newer" });
    button.addEventListener("click", () => fetchPart(part, true));
    part.before(button);
    return button;
  }

  function wait(part) {
    const count = (waiting.get(part) ?? 0) + 1;
    waiting.set(part, count);
    const button = chip(part);
    button.textContent = `${count} newer`;
    button.classList.add("is-shown");
  }

  function settled(part) {
    waiting.delete(part);
    if (part.previousElementSibling?.matches(".newer")) part.previousElementSibling.classList.remove("is-shown");
  }

  function hint(names) {
    for (const part of parts())
      if (part.dataset.live.split(/\s+/).some((name) => names.includes(name))) fetchPart(part);
  }

  async function fetchPart(part, anyway = false) {
    if (busy.has(part)) { again.add(part); return; }
    busy.add(part);
    try { await refresh(part, anyway); } catch { /* the stream or the next poll tries again */ }
    setTimeout(() => {
      busy.delete(part);
      if (again.delete(part) && part.isConnected) fetchPart(part);
    }, PAUSE);
  }

  async function refresh(part, anyway) {
    const url = part.dataset.src || location.pathname + location.search;
    const response = await fetch(url, { credentials: "same-origin", headers: {
      "HX-Request": "true", "HX-Request-Type": "partial", "HX-Current-URL": location.href,
      "HX-Target": `${part.tagName.toLowerCase()}#${part.id}`, "If-None-Match": tags.get(part) ?? "", "Accept": "text/html",
    } });
    if (response.headers.get("HX-Redirect")) { location.href = response.headers.get("HX-Redirect"); return; }
    if (response.status !== 200) return;
    const text = await response.text();
    if (!part.isConnected) return;
    if (held(part) && !anyway) { wait(part); return; }
    tags.set(part, response.headers.get("ETag"));
    settled(part);
    const items = () => [...document.querySelectorAll(`#${CSS.escape(part.id)} [data-item]`)];
    const at = items().indexOf(document.activeElement?.closest?.("[data-item]"));
    await htmx.swap({ text, target: part, sourceElement: part, swap: "outerMorph", select: `#${CSS.escape(part.id)}` });
    if (at >= 0 && document.activeElement === document.body) focusOn(items()[Math.min(at, items().length - 1)]);
  }

  // The item that had the focus is gone: go on with the one in its place.
  function focusOn(item) {
    (item?.matches("[tabindex]") ? item : item?.querySelector("a[href]"))?.focus({ preventScroll: true });
  }

  function listen() {
    stop();
    if (document.hidden || !parts().length) return;
    stream = new EventSource(document.body.dataset.liveUrl);
    stream.onopen = () => { slow(false); document.documentElement.dataset.jsLive = "on"; };
    stream.onmessage = (event) => hint(event.data.split(" "));
    stream.onerror = () => { document.documentElement.dataset.jsLive = "off"; slow(true); };
  }

  // No stream: ask everything now and then instead, and try the stream again.
  function slow(on) {
    clearInterval(poll);
    poll = null;
    if (on) poll = setInterval(() => {
      for (const part of parts()) fetchPart(part);
      if (stream?.readyState === EventSource.CLOSED) listen();
    }, POLL);
  }

  function stop() {
    stream?.close();
    stream = null;
    slow(false);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { stop(); return; }
    listen();
    for (const part of parts()) fetchPart(part);
  });
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => { if (event.persisted) { listen(); for (const part of parts()) fetchPart(part); } });
  listen();
})();

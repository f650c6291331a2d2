// The keyboard. Nothing dangerous happens on one key: it only goes somewhere, opens or focuses.
(() => {
  const places = { o: "/", r: "/runs/", t: "/threads/", a: "/approvals/", h: "/health/", q: "/queues/", w: "/workers/" };
  let going = 0;

  const typing = (target) => target.closest?.("input, select, textarea, [contenteditable]");

  function go(key) {
    const place = places[key];
    const link = place && document.querySelector(`.nav a[href$="${place}"]`);
    if (link) link.click();
    return Boolean(link);
  }

  function items() {
    return [...document.querySelectorAll("[data-item]")].filter((item) => item.offsetParent);
  }

  function current() {
    const here = document.activeElement?.closest?.("[data-item]");
    return here ?? (items().length === 1 ? items()[0] : null);
  }

  function step(by) {
    const all = items();
    if (!all.length) return false;
    const at = all.indexOf(current());
    const next = all[Math.min(Math.max(at + by, 0), all.length - 1)];
    const focus = next.matches("[tabindex]") ? next : next.querySelector("a[href]") ?? next;
    focus.focus();
    next.scrollIntoView({ block: "nearest" });
    return true;
  }

  // <details data-key="e"> opens and its first field gets the focus; <button data-key="a"> gets the focus.
  function reach(key) {
    const found = current()?.querySelector(`[data-key="${key}"]`);
    if (!found) return false;
    if (found.matches("details")) found.open = true;
    const inside = found.matches("button") ? found : found.querySelector("form :is(input:not([type=hidden]), select, textarea, button)");
    (inside ?? found.querySelector("summary")).focus();
    return true;
  }

  function act(event) {
    const key = event.key;
    if (Date.now() - going < 1200) { going = 0; return go(key); }
    if (key === "g") { going = Date.now(); return true; }
    if (key === "?") { document.getElementById("keys")?.showModal(); return true; }
    if (key === "/") { const field = document.querySelector("[data-search], input[type=search]"); field?.focus(); return Boolean(field); }
    if (key === "j" || key === "k") return step(key === "j" ? 1 : -1);
    return ["a", "e", "r", "c"].includes(key) && reach(key);
  }

  // What had the focus is gone with the answer: stay at the item that was acted on, or go to the error.
  document.addEventListener("htmx:after:swap", (event) => {
    const item = event.detail.ctx.target?.closest?.("[data-item]");
    if (!item?.isConnected || document.activeElement !== document.body) return;
    (item.querySelector("[aria-invalid=true]") ?? item).focus({ preventScroll: true });
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (act(event)) event.preventDefault();
  });
})();

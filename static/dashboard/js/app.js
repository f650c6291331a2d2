// Small things that hold on every page: menus, choices, notices, the window's title, errors of requests.
(() => {
  const on = (name, act) => document.addEventListener(name, act);

  function choose(name, value) {
    try { value === "auto" ? localStorage.removeItem(name) : localStorage.setItem(name, value); } catch { /* not kept */ }
    if (name === "theme") value === "auto" ? delete document.documentElement.dataset.theme : (document.documentElement.dataset.theme = value);
    if (name === "zone") window.runwatchTimes?.refresh();
    showChoices();
  }

  function chosen(name) {
    try { return localStorage.getItem(name) ?? (name === "theme" ? "auto" : "local"); } catch { return ""; }
  }

  function showChoices() {
    for (const group of document.querySelectorAll("[data-choice]"))
      for (const button of group.querySelectorAll("button"))
        button.setAttribute("aria-pressed", String(button.value === chosen(group.dataset.choice)));
  }

  function notify(text) {
    const line = document.createElement("p");
    line.className = "notice tone-bad";
    line.textContent = text;
    document.getElementById("notices")?.replaceChildren(line);
  }

  function retitle() {
    const start = document.getElementById("nav")?.dataset.titleStart;
    if (start === undefined) return;
    const own = document.title.replace(/^(\d+ (stuck|to decide)(, )?)+ · /, "");
    if (document.title !== start + own) document.title = start + own;
  }

  on("click", (event) => {
    const target = event.target.closest("[data-choice] button, [data-dismiss], [data-open], [data-close]");
    if (!target) return;
    if (target.closest("[data-choice]")) choose(target.closest("[data-choice]").dataset.choice, target.value);
    if (target.hasAttribute("data-dismiss")) target.closest(".notice").remove();
    if (target.dataset.open) document.getElementById(target.dataset.open)?.showModal();
    if (target.hasAttribute("data-close")) target.closest("details")?.removeAttribute("open");
  });

  // A menu or pop-over closes when one acts elsewhere, and by Escape, which gives the focus back.
  on("pointerdown", (event) => {
    for (const open of document.querySelectorAll("details.menu[open], details.pop[open]"))
      if (!open.contains(event.target)) open.removeAttribute("open");
  });
  on("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = event.target.closest?.("details.menu[open], details.pop[open]");
    if (!open) return;
    open.removeAttribute("open");
    open.querySelector("summary").focus();
  });

  // A form is dirty from the first change until it is sent or reset; the live parts wait for it.
  on("input", (event) => event.target.form?.setAttribute("data-js-dirty", ""));
  // What was typed stays, whatever is brought by an answer that was asked for before.
  on("input", ({ target }) => { if (target.matches("[data-keep]")) target.toggleAttribute("hx-morph-skip", target.value.trim() !== ""); });
  on("reset", (event) => event.target.removeAttribute("data-js-dirty"));
  on("htmx:after:swap", () => { retitle(); showChoices(); });
  on("htmx:finally:request", (event) => {
    const { response, sourceElement } = event.detail.ctx;
    if (response && response.status < 400) sourceElement.closest?.("form")?.removeAttribute("data-js-dirty");
  });
  on("htmx:error", (event) => {
    if (event.detail.error?.name === "AbortError" || event.detail.error instanceof TypeError) notify("The server did not answer. Check the page before you try again.");
  });

  // Sent once: a second press while the first is under way does nothing (forms without htmx).
  on("submit", (event) => {
    const form = event.target;
    if (form.method === "dialog" || event.defaultPrevented) return;
    if (form.hasAttribute("data-js-sent")) event.preventDefault();
    else if (form.method === "post" && !form.matches("[hx-post]")) form.setAttribute("data-js-sent", "");
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("[data-js-sent]")) form.removeAttribute("data-js-sent");
  });

  document.querySelector(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  showChoices();
})();

// The run page: open the panel that a link leads to, and copy payloads.
(() => {
  function reveal() {
    const found = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!found) return;
    for (let panel = found.closest("details"); panel; panel = panel.parentElement.closest("details")) panel.open = true;
    if (found.hasAttribute("popover")) found.showPopover();
    else found.scrollIntoView({ block: "start" });
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.closest(".payload-box").querySelector("pre").textContent);
    button.setAttribute("aria-label", "Copied");
    button.classList.add("is-copied");
    setTimeout(() => { button.setAttribute("aria-label", "Copy"); button.classList.remove("is-copied"); }, 1500);
  });
  window.addEventListener("hashchange", reveal);
  reveal();
})();

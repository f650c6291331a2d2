// The runs list: tick all, count the ticks, and keep empty filters out of the address.
(() => {
  const ticks = () => [...document.querySelectorAll("input[data-tick]")];

  function count() {
    const ticked = ticks().filter((tick) => tick.checked).length;
    for (const place of document.querySelectorAll("[data-ticked]")) place.textContent = ticked ? `${ticked} ticked` : "ticked";
    const all = document.querySelector("[data-tick-all]");
    if (!all) return;
    all.checked = ticked > 0 && ticked === ticks().length;
    all.indeterminate = ticked > 0 && !all.checked;
  }

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-tick-all]")) for (const tick of ticks()) tick.checked = event.target.checked;
    if (event.target.matches("[data-tick], [data-tick-all]")) count();
  });
  document.addEventListener("formdata", (event) => {
    if (!event.target.matches("form[data-slim]")) return;
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
  document.addEventListener("htmx:after:swap", count);
  count();
})();

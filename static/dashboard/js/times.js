// Times: relative ones go on by themselves, exact ones follow the chosen zone. The markup already holds both.
(() => {
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

  function relative(then, now) {
    const seconds = (now - then) / 1000;
    if (Math.abs(seconds) < 1) return "now";
    const [size, unit] = units.find(([size]) => Math.abs(seconds) >= size);
    const amount = `${Math.floor(Math.abs(seconds) / size)} ${unit}`;
    return seconds > 0 ? `${amount} ago` : `in ${amount}`;
  }

  function exact(then) {
    if (zone() === "utc") return `${then.toISOString().slice(0, 19).replace("T", " ")} UTC`;
    const two = (n) => String(n).padStart(2, "0");
    const day = `${then.getFullYear()}-${two(then.getMonth() + 1)}-${two(then.getDate())}`;
    const name = then.toLocaleTimeString("en", { timeZoneName: "short" }).split(" ").pop();
    return `${day} ${two(then.getHours())}:${two(then.getMinutes())}:${two(then.getSeconds())} ${name}`;
  }

  function zone() {
    try { return localStorage.getItem("zone") === "utc" ? "utc" : "local"; } catch { return "local"; }
  }

  function put(node, text) {
    if (node && node.textContent !== text) node.textContent = text;
  }

  function refresh(root = document) {
    const now = Date.now();
    for (const time of root.querySelectorAll("time[datetime]")) {
      const then = new Date(time.dateTime);
      if (Number.isNaN(then.getTime())) continue;
      const text = exact(then);
      if (time.title !== text) time.title = text;
      const words = relative(then, now);
      put(time.querySelector(".rel"), time.hasAttribute("data-age") ? words.replace(/ ago$/, "") : words);
      put(time.querySelector(".abs"), text);
    }
  }

  refresh();
  setInterval(() => { if (!document.hidden) refresh(); }, 1000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
  document.addEventListener("htmx:after:swap", () => refresh());
  window.runwatchTimes = { refresh };
})();

"use strict";
const all = (query, root = document) => [...root.querySelectorAll(query)];
const one = (query, root = document) => root.querySelector(query);

// Light and dark: the system's choice until the reader makes one.
const system = matchMedia("(prefers-color-scheme: dark)");
function dress(theme) {
  document.documentElement.dataset.theme = theme;
  all(".js-plotly-plot").forEach((plot) => Plotly.relayout(plot, colours(plot)));
}
function colours(plot) {
  const style = getComputedStyle(document.documentElement);
  const [text, line, card] = ["--text", "--line", "--card"].map((n) => style.getPropertyValue(n).trim());
  const found = { "font.color": text, "hoverlabel.bgcolor": card, "hoverlabel.font.color": text };
  for (const axis of Object.keys(plot.layout).filter((key) => /^[xy]axis\d*$/.test(key))) {
    Object.assign(found, { [`${axis}.gridcolor`]: line, [`${axis}.linecolor`]: line, [`${axis}.zeroline`]: false });
  }
  return found;
}
dress(system.matches ? "dark" : "light");
system.addEventListener("change", (event) => dress(event.matches ? "dark" : "light"));
one("#theme").addEventListener("click", () => {
  dress(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
});

// Figures are drawn when they come into view.
async function draw(place) {
  const figure = JSON.parse(one("script", place).textContent);
  const options = { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false };
  figure.layout.font = { family: getComputedStyle(document.body).fontFamily, size: 13 };
  await Plotly.newPlot(place, figure.data, figure.layout, options);
  Plotly.relayout(place, colours(place));
}
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((e) => e.isIntersecting)) {
    watcher.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "400px" });
all(".plot").forEach((place) => watcher.observe(place));

// Data sets as tabs.
const tabs = all("[role=tab]");
function choose(tab) {
  for (const each of tabs) {
    each.setAttribute("aria-selected", String(each === tab));
    one("#" + each.getAttribute("aria-controls")).hidden = each !== tab;
  }
}
tabs.forEach((tab) => tab.addEventListener("click", () => choose(tab)));

// A click on a head sorts by it, another one the other way round.
for (const head of all("th")) {
  one("button", head).addEventListener("click", () => {
    const up = head.getAttribute("aria-sort") === "descending";
    all("th", head.parentElement).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = one("tbody", head.closest("table"));
    const key = (row) => row.cells[head.cellIndex].dataset.key;
    const order = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === ""); // what is unknown stays below
      const sign = up ? 1 : -1;
      if (isNaN(x) !== isNaN(y)) return isNaN(x) - isNaN(y); // so do words among numbers
      return sign * (isNaN(x) ? x.localeCompare(y, undefined, { numeric: true }) : x - y);
    };
    body.append(...all("tr", body).sort(order));
  });
}

// Pictures: two of them under a slider, all of them as tiles, one zoom for all.
if (one("#pictures")) {
  const photographs = JSON.parse(one("#crops").textContent);
  const viewer = one(".viewer"), frame = one(".frame"), tiles = one(".tiles");
  const [photograph, before, after] = ["#photograph", "#before", "#after"].map((id) => one(id));
  const names = Object.keys(photographs[0].versions);
  for (const select of [before, after]) select.append(...names.map((name) => new Option(name)));
  before.value = names.includes("bicubic") ? "bicubic" : names[0];
  after.value = names[names.includes("bicubic") ? 2 : 1];

  // The left picture is cut by a layer of its own, which does not zoom.
  const layer = document.createElement("div");
  layer.className = "layer";
  frame.insertBefore(layer, one("#left"));
  layer.append(one("#left"));
  one("#slider").addEventListener("input", (event) => {
    frame.style.setProperty("--cut", event.target.value + "%");
  });

  function show() {
    const { versions } = photographs[photograph.value];
    one("#left").src = versions[before.value];
    one("#right").src = versions[after.value];
    one("#left").alt = one(".tag.left").textContent = before.value;
    one("#right").alt = one(".tag.right").textContent = after.value;
    tiles.replaceChildren(...names.map((name) => {
      const tile = document.createElement("figure");
      tile.className = name === after.value ? "tile chosen" : "tile";
      const box = document.createElement("div"), image = new Image();
      image.src = versions[name];
      image.alt = name;
      image.draggable = false;
      box.append(image);
      const caption = document.createElement("figcaption");
      caption.textContent = name;
      tile.append(box, caption);
      tile.dataset.name = name;
      return tile;
    }));
  }
  [photograph, before, after].forEach((select) => select.addEventListener("change", show));
  show();

  const view = { z: 1, x: 0, y: 0 }; // offsets in shares of a picture's side
  function move(z, x, y) {
    view.z = Math.min(Math.max(z, 1), 16);
    [view.x, view.y] = [x, y].map((offset) => Math.min(Math.max(offset, 1 - view.z), 0));
    viewer.style.setProperty("--z", view.z);
    viewer.style.setProperty("--x", 100 * view.x + "%");
    viewer.style.setProperty("--y", 100 * view.y + "%");
    viewer.classList.toggle("zoomed", view.z > 1);
  }
  function zoom(factor, cx = 0.5, cy = 0.5) {
    const z = Math.min(Math.max(view.z * factor, 1), 16), ratio = z / view.z;
    move(z, cx - (cx - view.x) * ratio, cy - (cy - view.y) * ratio);
  }
  all("[data-zoom]").forEach((button) => button.addEventListener("click", () => {
    const factor = Number(button.dataset.zoom);
    factor ? zoom(factor) : move(1, 0, 0);
  }));
  const place = (event, box) => {
    const edge = box.getBoundingClientRect();
    return [(event.clientX - edge.left) / edge.width, (event.clientY - edge.top) / edge.height];
  };
  viewer.addEventListener("dblclick", (event) => {
    const box = event.target.closest(".tile div, .frame");
    if (box) zoom(2, ...place(event, box));
  });
  viewer.addEventListener("wheel", (event) => {
    const box = event.target.closest(".tile div, .frame");
    if (!box || !event.ctrlKey) return; // a pinch on a touchpad comes as this
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 100), ...place(event, box));
  }, { passive: false });

  const fingers = new Map();
  let moved = 0;
  tiles.addEventListener("pointerdown", (event) => {
    const box = event.target.closest(".tile div");
    if (!box) return;
    fingers.set(event.pointerId, { box, at: place(event, box) });
    moved = 0;
    box.setPointerCapture(event.pointerId);
  });
  tiles.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return;
    const at = place(event, finger.box), [dx, dy] = [at[0] - finger.at[0], at[1] - finger.at[1]];
    moved += Math.hypot(dx, dy);
    const other = [...fingers].find(([id]) => id !== event.pointerId);
    if (other) {
      const [ox, oy] = other[1].at;
      const apart = (p) => Math.hypot(p[0] - ox, p[1] - oy) || 1e-3;
      zoom(apart(at) / apart(finger.at), (at[0] + ox) / 2, (at[1] + oy) / 2);
    } else {
      move(view.z, view.x + dx, view.y + dy);
    }
    finger.at = at;
  });
  for (const name of ["pointerup", "pointercancel"]) {
    tiles.addEventListener(name, (event) => {
      const finger = fingers.get(event.pointerId);
      fingers.delete(event.pointerId);
      if (!finger || name !== "pointerup" || moved > 0.03) return;
      after.value = finger.box.parentElement.dataset.name;
      one("#right").src = photographs[photograph.value].versions[after.value];
      one("#right").alt = one(".tag.right").textContent = after.value;
      all(".tile").forEach((t) => t.classList.toggle("chosen", t.dataset.name === after.value));
    });
  }
}

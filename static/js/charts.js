// Draws the charts of the overview with uPlot. The numbers stand beside each chart as a table, for whoever reads those.

const { uPlot } = window;
const charts = [];

function colour(name) {
  // What the style sheet says for this look, as the browser resolves it: a canvas knows no variables.
  const probe = document.createElement("span");
  probe.className = `ink-${name}`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

function draw(box) {
  const { unit, times, series } = JSON.parse(box.dataset.chart);
  const inks = ["accent", "good", "bad"].map(colour);
  const soft = colour("soft");
  const line = colour("line");
  const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line }, font: "12px Inter, sans-serif" };
  const dashes = [[], [6, 3], [2, 3]];
  const options = {
    width: box.clientWidth,
    height: box.clientHeight - 34,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    cursor: { drag: { x: false, y: false } },
    legend: { live: false },
    scales: { y: { range: (plot, low, high) => [0, Math.max(4, Math.ceil(high * 1.15))] } },
    axes: [{ ...axis, values: (plot, ticks) => ticks.map((tick) => new Date(tick * 1000).toISOString().slice(5, 10)) },
      { ...axis, incrs: [1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000, 5000, 10000], values: (plot, ticks) => ticks.map((tick) => (unit === "%" ? `${tick} %` : String(tick))) }],
    series: [{ value: (plot, tick) => (tick === null ? "–" : new Date(tick * 1000).toISOString().slice(0, 10)) },
      ...series.map((one, number) => ({ label: one.label, stroke: inks[number], width: 2, dash: dashes[number], points: { size: 6, fill: inks[number] } }))],
  };
  const plot = new uPlot(options, [times, ...series.map((one) => one.values)], box);
  fit(box, plot);
  charts.push({ box, plot });
}

function fit(box, plot) {
  // The box keeps its height: what the legend's lines leave of it is the picture's.
  const legend = plot.root.querySelector(".u-legend").offsetHeight;
  plot.setSize({ width: box.clientWidth, height: box.clientHeight - legend - 4 });
}

function redraw() {
  for (const { plot } of charts.splice(0)) plot.destroy();
  document.querySelectorAll("[data-chart]").forEach(draw);
}

redraw();
document.documentElement.addEventListener("lookchange", redraw);
window.addEventListener("resize", () => charts.forEach(({ box, plot }) => fit(box, plot)));

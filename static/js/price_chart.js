// Draws how a price went, with uPlot. The newest figures stand beside it as a table; a gap is a time without a price.

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
  const { times, values } = JSON.parse(box.dataset.prices);
  // 10^-8 US dollars; a picture needs no more digits than a number of the browser has.
  const points = values.map((value) => (value === null ? null : Number(value) / 1e8));
  const line = colour("line");
  const axis = { stroke: colour("soft"), grid: { stroke: line, width: 1 }, ticks: { stroke: line }, font: "12px Inter, sans-serif" };
  const options = {
    width: box.clientWidth,
    height: Math.max(120, box.clientHeight - 34),
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    cursor: { drag: { x: false, y: false } },
    axes: [{ ...axis, values: (plot, ticks) => ticks.map((tick) => new Date(tick * 1000).toISOString().slice(11, 16)) }, { ...axis, size: 80 }],
    series: [{}, { label: "USD", stroke: colour("accent"), width: 2, points: { size: 4 }, spanGaps: false }],
  };
  charts.push({ box, plot: new uPlot(options, [times, points], box) });
}

function redraw() {
  for (const { plot } of charts.splice(0)) plot.destroy();
  document.querySelectorAll("[data-prices]").forEach(draw);
}

redraw();
document.documentElement.addEventListener("lookchange", redraw);
window.addEventListener("resize", () => charts.forEach(({ box, plot }) => plot.setSize({ width: box.clientWidth, height: Math.max(120, box.clientHeight - 34) })));

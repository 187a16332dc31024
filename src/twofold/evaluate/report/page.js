"use strict";
// Sorts and filters the cases of the page, and shows one picture large. Without it the page is whole, only still.
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const list = document.getElementById("cases");
  const cards = [...list.querySelectorAll(".case")];
  const controls = document.getElementById("controls");
  const { order, model, against, metric, kind, bucket, count } = controls.elements;
  const caseOf = (card) => data.cases[Number(card.dataset.case)];

  // Goodness of a card by what is chosen; a score that is no number is neither good nor bad.
  function goodness(card) {
    const scores = caseOf(card).scores;
    const column = Number(metric.value);
    let value = Number(scores[Number(model.value)][column]);
    if (against.value !== "" && against.value !== model.value) {
      const other = Number(scores[Number(against.value)][column]);
      value = value === other ? 0 : value - other;
    }
    return data.better[data.metrics[column]] === "lower" ? -value : value;
  }

  const rank = {
    worst: goodness,
    best: (card) => -goodness(card),
    small: (card) => caseOf(card).ratio,
    large: (card) => -caseOf(card).ratio,
    photo: (card) => Number(card.dataset.case),
  };

  // NaN comes last; equals keep the order in which the cases are listed.
  function arrange() {
    const ranks = new Map(cards.map((card) => [card, rank[order.value](card)]));
    const before = (a, b) => {
      const [x, y] = [ranks.get(a), ranks.get(b)];
      if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
      return x === y ? 0 : x < y ? -1 : 1;
    };
    list.append(...[...cards].sort(before));
    const byScore = order.value === "worst" || order.value === "best";
    for (const one of [model, against, metric]) one.disabled = !byScore;
    const name = data.metrics[Number(metric.value)];
    for (const score of list.querySelectorAll("[data-metric]")) {
      score.classList.toggle("sorted", byScore && score.dataset.metric === name);
    }
  }

  function filter() {
    let shown = 0;
    for (const card of cards) {
      const one = caseOf(card);
      card.hidden = (kind.value && one.kind !== kind.value) || (bucket.value && one.bucket !== bucket.value);
      shown += !card.hidden;
    }
    count.value = `${shown} of ${cards.length} cases`;
  }

  controls.addEventListener("input", () => { arrange(); filter(); });
  controls.addEventListener("submit", (event) => event.preventDefault());

  // The viewer: one picture, large.
  const viewer = document.getElementById("viewer");
  const large = viewer.querySelector(".large");
  let current = null;

  function show(button) {
    current = button;
    const card = button.closest(".case");
    const figure = button.closest("figure");
    const all = figure.querySelectorAll(".open");
    const which = all.length > 1 ? `, answer ${[...all].indexOf(button) + 1} of ${all.length}` : "";
    const name = figure.querySelector(".name").textContent + which;
    large.src = button.querySelector("img").src;
    large.alt = name;
    viewer.querySelector(".title").textContent = name;
    viewer.querySelector(".about").textContent = card.querySelector("h3").textContent.trim();
    const scores = figure.querySelectorAll(".scores li");
    viewer.querySelector(".scores").replaceChildren(...[...scores].map((score) => score.cloneNode(true)));
    if (!viewer.open) viewer.showModal();
  }

  // Steps within a case go round; steps between cases keep the place and stop at the ends.
  function step(by) {
    const all = [...current.closest(".case").querySelectorAll(".open")];
    show(all[(all.indexOf(current) + by + all.length) % all.length]);
  }

  function jump(by) {
    const visible = [...list.querySelectorAll(".case:not([hidden])")];
    const card = current.closest(".case");
    const target = visible[visible.indexOf(card) + by];
    if (!target) return;
    const place = [...card.querySelectorAll(".open")].indexOf(current);
    const all = target.querySelectorAll(".open");
    show(all[Math.min(place, all.length - 1)]);
  }

  list.addEventListener("click", (event) => {
    const button = event.target.closest(".open");
    if (button) show(button);
  });
  viewer.querySelector(".previous").addEventListener("click", () => step(-1));
  viewer.querySelector(".next").addEventListener("click", () => step(1));
  viewer.querySelector(".close").addEventListener("click", () => viewer.close());
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  viewer.addEventListener("close", () => current?.focus());
  viewer.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => jump(-1), ArrowDown: () => jump(1) };
    if (!(event.key in moves)) return;
    event.preventDefault();
    moves[event.key]();
  });

  controls.hidden = false;
  arrange();
  filter();
}

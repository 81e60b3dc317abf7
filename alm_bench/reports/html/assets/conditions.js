// Noise ablations: the answers and clips of one item under every condition, one below the other.

const ablationDecks = new Map();

/** Return the items of an ablation that can be heard, or all of them if none can. */
function listAblationItems(ablation) {
  const clean = findRun(ablation.clean);
  const heard = clean.entries.filter((entry) => (entry.answer.clips || []).some((index) => CLIPS[index].audio || CLIPS[index].file));
  return heard.length ? heard : clean.entries;
}

function drawAblation(box, ablation, position) {
  ablationDecks.get(box)?.close();
  const deck = new Deck();
  ablationDecks.set(box, deck);
  const items = listAblationItems(ablation);
  const at = Math.min(Math.max(position, 0), items.length - 1);
  const entry = items[at];
  const others = ablation.changed.map((id) => findIn(findRun(id), entry.id)).filter(Boolean);
  const sections = buildConditions(deck, [entry, ...others]);
  const step = (offset, text) => el("button", { type: "button", disabled: !items[at + offset], click: () => drawAblation(box, ablation, at + offset) }, text);
  box.replaceChildren(
    el("div", { class: "deck" }, step(-1, "Previous item"), step(1, "Next item"), el("span", null, "item " + (at + 1) + " of " + items.length)),
    el("p", null, el("strong", null, isolated(describeQuestion(entry.question))), " Reference: ", isolated(describeReference(entry.question))),
    ...(deck.players.length ? [deck.controls()] : []),
    el("div", { class: "conditions" }, sections));
}

function drawAblations() {
  document.querySelectorAll("[data-ablation]").forEach((box) => {
    if (!box.firstChild) drawAblation(box, DATA.ablations[Number(box.dataset.ablation)], 0);
  });
}

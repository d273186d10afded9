// How the map of the chosen word came about; computed only while the section is open.
// props.words are texts, props.weight the bounds of a scale's weight.
import {dial} from '../dial.js';
import {along, childrenOf, fill, make, partOf, targetOf} from '../dom.js';
import {formula} from './formula.js';
import {guessLists} from './lists.js';
import {colourBar, covering, paint} from '../paint.js';
import {sightline} from '../state.js';

/**
 * Build the section on how the map of the chosen word came about, once it is opened.
 * @param {Pick<Context<{diverging: string, words: StepWords, dial: DialWords, weight: KnobBounds}>, 'element' | 'props'>} context
 * @returns {void}
 */
export function unfold({element, props}) {
  const root = /** @type {HTMLDetailsElement} */ (partOf(element, '.sl-opened')), says = props.words, {now} = sightline;
  let shown = false, frame = 0;
  /** @type {number | null} */
  let beside = null;

  const body = make('div', 'sl-opened-body');
  const about = make('p', 'sl-opened-about'), word = make('strong'), message = make('p', 'sl-opened-message');
  const told = make('p', 'sl-opened-note'), content = make('div', 'sl-opened-content');
  word.dir = 'auto';
  about.append(`${says.method} `, word);
  message.setAttribute('role', 'status');
  root.append(body);
  body.append(message, content);

  /** @type {(heading: string, ...nodes: HTMLElement[]) => void} */
  function part(heading, ...nodes) {
    const box = make('section', 'sl-opened-part');
    box.append(make('h3', '', heading), ...nodes);
    content.append(box);
  }

  // Pictures ----------------------------------------------------------------------------------------

  /** @type {(signed: boolean) => Uint32Array} */
  const tableOf = signed => covering(now.tables[signed ? props.diverging : now.colours ?? ''], signed, now.cover);

  function picture() {
    const frame = make('div', 'sl-frame'), base = make('img', 'sl-base'), canvas = make('canvas', 'sl-heat');
    base.alt = '';
    canvas.setAttribute('role', 'img');
    frame.append(base, canvas);
    /** @type {(own: MapPart, signed: boolean) => void} */
    const draw = (own, signed) => {
      const {src, ratio} = now.pictures.images[now.image];
      if (base.src !== src) base.src = src;
      paint(canvas, own, tableOf(signed), ratio, now.drawing);
      canvas.setAttribute('aria-label', own.alt);
    };
    return {frame, draw};
  }

  // A bar of colours with what its ends mean.
  function legend() {
    const box = make('div', 'sl-legend'), bar = colourBar(), ticks = make('div', 'sl-ticks');
    box.append(bar.box, ticks);
    /** @type {(signed: boolean, high: string) => void} */
    const draw = (signed, high) => {
      bar.draw(tableOf(signed));
      const ends = signed ? [`−${high}`, '0', `+${high}`] : ['0', high];
      ticks.replaceChildren(...ends.map(text => make('span', '', text)));
    };
    return {box, draw};
  }

  /** @type {(name: string) => {figure: HTMLElement, draw(value: MapStep, formulaName: string, signed: boolean, high: string): void}} */
  function step(name) {
    const figure = make('figure', 'sl-step'), caption = make('figcaption'), drawn = picture(), scale = legend();
    const heading = make('strong'), text = make('p', 'sl-caption'), sign = make('div', 'sl-step-formula');
    figure.dataset.step = name;
    caption.append(sign, text);
    figure.append(heading, drawn.frame, scale.box, caption);
    /** @type {(value: MapStep, formulaName: string, signed: boolean, high: string) => void} */
    const draw = (value, formulaName, signed, high) => {
      heading.textContent = value.title;
      drawn.draw(value.parts[now.image], signed);
      scale.draw(signed, high);
      sign.replaceChildren(formula(formulaName, says.equation));
      text.textContent = value.captions[now.image];
    };
    return {figure, draw};
  }

  /** @type {(text: string) => HTMLElement} */
  const operator = text => Object.assign(make('span', 'sl-operator', text), {ariaHidden: 'true'});
  const steps = {fused: step('fused'), interference: step('interference'), before: step('before'), after: step('after')};
  const beta = make('div', 'sl-step sl-step-beta'), factor = make('div', 'sl-factor'), betaText = make('p', 'sl-caption');
  beta.append(make('strong', '', says.beta), factor, formula('beta', says.equation), betaText);

  // Scales ------------------------------------------------------------------------------------------

  const scalesText = make('p', 'sl-caption'), symbols = make('p', 'sl-caption'), scales = make('div', 'sl-readings');
  /** @type {ReturnType<typeof card>[]} */
  const cards = [];

  // The sliders that are on, each size once: places in the panel's list, as Python reads it.
  const slots = () => {
    const seen = new Set();
    return (now.panel?.alphas ?? []).flatMap(([alpha, on], i) =>
      on && !seen.has(alpha) && seen.add(alpha) ? [i] : []);
  };

  /** @type {(slot: number, value: number) => void} */
  function weigh(slot, value) {
    const {panel} = now;
    if (!panel) return;
    const weights = [...(panel.weights ?? panel.alphas.map(() => 1))];
    weights[slot] = value;
    sightline.set({panel: {...panel, weights: weights.every(w => w === 1) ? null : weights}});
  }

  /** @type {(slot: number) => {box: HTMLElement, draw(scale: ScaleStep, all: MapSteps): void}} */
  function card(slot) {
    const box = make('figure', 'sl-reading'), drawn = picture(), side = make('figcaption'), label = make('strong');
    const facts = make('p', 'sl-caption'), pictured = make('div', 'sl-pictured'), scale = legend();
    const slider = dial({
      name: `step-weight${slot + 1}`, label: '', says: props.dial, bounds: props.weight, value: 1, reset: 1, title: props.weight.meaning,
      changed: value => { slider.put(value ?? 1); weigh(slot, value ?? 1); },
    });
    slider.head.prepend(label);
    side.append(slider.box, facts);
    pictured.append(drawn.frame, scale.box);
    box.append(pictured, side);
    /** @type {(scale: ScaleStep, all: MapSteps) => void} */
    const draw = ({alpha, grids, shares, parts}, {max: off, signed, peaks}) => {
      const name = fill(says.weight, {alpha}), grid = fill(says.patches, {grid: grids[now.image]});
      label.textContent = `α = ${alpha}`;
      facts.textContent = shares ? `${grid}, ${fill(says.counts, {share: shares[now.image]})}` : grid;
      for (const node of slider.box.querySelectorAll('input, button')) {
        const input = /** @type {HTMLInputElement} */ (node);
        input.disabled = off;
        if (input.type === 'range') input.setAttribute('aria-label', name);
      }
      if (!slider.box.contains(document.activeElement)) slider.put(now.panel?.weights?.[slot] ?? 1);
      drawn.draw(parts[now.image], signed);
      scale.draw(signed, peaks.scales);
    };
    return {box, draw};
  }

  /** @type {(shown: MapSteps) => void} */
  function drawScales(shown) {
    const wanted = slots().map(slot => (cards[slot] ??= card(slot)));
    wanted.forEach((one, i) => one.draw(shown.scales[i], shown));
    if (wanted.some((one, i) => scales.children[i] !== one.box) || scales.children.length !== wanted.length) {
      scales.replaceChildren(...wanted.map(one => one.box));
    }
  }

  // Words -------------------------------------------------------------------------------------------

  const wordsText = make('p', 'sl-caption'), list = make('div', 'sl-context'), baseText = make('p', 'sl-caption');
  const pairText = make('p', 'sl-pair-text'), guesses = guessLists(says);
  list.setAttribute('role', 'listbox');
  list.setAttribute('aria-label', says.earlier);
  pairText.setAttribute('aria-live', 'polite');

  /** @type {(item: EarlierWord, most: number) => HTMLElement} */
  function chip(item, most) {
    const node = make('button', 'sl-before'), text = make('span', 'sl-before-text', item.text);
    const numbers = make('span', 'sl-before-numbers'), bar = make('span', 'sl-alike');
    node.type = 'button';
    node.dataset.chip = String(item.chip);
    node.dataset.role = item.role;
    text.dir = 'auto';
    node.setAttribute('role', 'option');
    node.setAttribute('aria-label', item.label);
    node.classList.toggle('sl-repeat', item.repeat);
    node.style.setProperty('--part', String(most > 0 ? item.part / most : 0));
    bar.style.setProperty('--r', String(item.relevance));
    numbers.append(make('span', 'sl-part', item.share), make('span', 'sl-r', `r ${item.relevance.toFixed(2)}`));
    node.append(text, numbers, bar);
    return node;
  }

  /** @type {(shown: MapSteps) => void} */
  function drawWords(shown) {
    const held = list.contains(document.activeElement), most = Math.max(0, ...shown.words.map(item => item.part));
    list.replaceChildren(...shown.words.map(item => chip(item, most)));
    for (const node of childrenOf(list)) {
      const chosen = Number(node.dataset.chip) === shown.pair?.chip;
      node.setAttribute('aria-selected', String(chosen));
      node.tabIndex = chosen ? 0 : -1;
      if (chosen && held) node.focus();
    }
    pairText.textContent = shown.pair?.text ?? '';
    guesses.show(shown.pair);
  }

  /** @type {(node: HTMLElement | null) => void} */
  function choose(node) {
    if (!node) return;
    for (const other of childrenOf(list)) other.tabIndex = other === node ? 0 : -1;
    node.focus();
    beside = Number(node.dataset.chip);
    soon();
  }

  list.addEventListener('click', event => choose(targetOf(event).closest('.sl-before')));
  list.addEventListener('keydown', event => {
    const at = childrenOf(list).indexOf(targetOf(event));
    const to = at < 0 ? null : along(event, at, list.children.length - 1);
    if (to !== null) choose(childrenOf(list)[to]);
  });

  // The whole ---------------------------------------------------------------------------------------

  const equation = make('div', 'sl-equation');
  equation.append(steps.fused.figure, operator('−'), beta, operator('×'), steps.interference.figure, operator('='),
    steps.before.figure, operator('→'), steps.after.figure);
  content.append(about, told);
  part(says.sizes, scalesText, scales, formula('scale', says.equation), symbols);
  part(says.map, equation);
  part(says.earlier, wordsText, list, formula('relevance', says.equation), pairText, guesses.box, baseText);

  /** @type {(shown: MapSteps) => void} */
  function draw(shown) {
    const {signed} = shown, high = shown.peaks.steps;
    root.style.setProperty('--ratio', String(now.pictures.images[now.image].ratio));
    word.textContent = shown.word;
    told.textContent = shown.note;
    scalesText.textContent = shown.about;
    symbols.textContent = shown.symbols;
    drawScales(shown);
    const other = now.options?.msea_arc?.weights ?? 'rbo';
    steps.fused.draw(shown.steps.fused, shown.max ? 'fusedMax' : 'fused', signed, high);
    steps.interference.draw(shown.steps.interference, other === 'rbo' ? 'interference' : 'interferenceOther', signed, high);
    steps.before.draw(shown.steps.before, 'before', signed, high);
    steps.after.draw(shown.steps.after, 'after', false, '1');
    factor.textContent = `β = ${shown.beta.value}`;
    betaText.textContent = shown.beta.caption;
    wordsText.textContent = shown.legend;
    baseText.textContent = shown.base;
    drawWords(shown);
    root.dataset.word = shown.word;
  }

  // The steps for what the state holds; null until they can be computed.
  /** @type {() => FoundSteps | null} */
  function compute() {
    const {run, evidence} = now, subject = sightline.whole(now.subject);
    const at = evidence && run !== null && subject && now.pictures.run === run ? evidence.source.of(run, subject.layer) : null;
    if (!at || at.refused || !at.computing || run === null || !subject) return at;
    for (const word of at.computing.lacks(subject)) {
      const refused = evidence?.source.bring(run, subject.layer, word);
      return refused ? {refused} : null;
    }
    const made = at.computing.steps(subject, beside, now);
    if (!made) soon();  // the time of a frame was over
    return made;
  }

  // What was shown stays, marked as late, until there is something for what the state holds now.
  function show() {
    frame = 0;
    if (!root.open || now.subject === null) return;
    const made = compute(), late = !made?.steps;
    body.classList.toggle('sl-late', late);
    body.setAttribute('aria-busy', String(!made));
    message.textContent = made?.refused?.text ?? (made || shown ? '' : says.waiting);
    if (made?.steps) draw(made.steps);
    shown ||= !late;
    content.hidden = !shown;
  }

  function soon() { frame ||= requestAnimationFrame(show); }  // many changes of one moment are drawn once

  root.addEventListener('toggle', soon);
  sightline.on('run', () => { shown = false; });
  sightline.on('run subject', () => { beside = null; });
  sightline.on('run subject extra settings evidence chips facts pictures image colours cover drawing', soon);
}

// Test maps by insertion and deletion: curves of a word's probability while the picture appears and while it
// goes, by the order of each shown map and in random orders. props.value to Python: {run,
// subject, panel, options, fill, steps, ask}; from Python for that `ask`: {asked, busy}, with
// {done, total, chart} once readings come in; {asked, text, kind}; or what it means; and {lost}
// if the server does not answer. Events: measure, halt.
import {fill, make, partOf} from '../../../web/js/dom.js';
import {plot, swatch} from './plot.js';
import {sightline} from '../../../web/js/state.js';
import {figureTable} from '../../../web/js/table.js';
import {choose, tool} from '../../../web/js/toolbar.js';

/** @type {('insertion' | 'deletion')[]} */
const FIGURES = ['insertion', 'deletion'];

/**
 * Build the map test, once it is opened.
 * @param {Pick<Context, 'element' | 'props' | 'trigger' | 'watch'>} context
 * @returns {void}
 */
export function unfold({element, props, trigger, watch}) {
  const root = partOf(element, '.sl-proof'), says = props.words, {now} = sightline;
  let asks = 0, shownKey = '', askedKey = '', measuring = false;

  const body = make('div', 'sl-proof-body'), bar = make('div', 'sl-proof-bar'), message = make('p', 'sl-proof-said');
  const result = make('div', 'sl-proof-result'), line = make('p', 'sl-proof-line'), verdict = make('p', 'sl-proof-verdict');
  const plots = make('div', 'sl-proof-plots'), numbers = make('div', 'sl-proof-numbers');
  const under = choose(says.fill, says.fills, follow), steps = choose(says.steps, says.stepChoices, follow);
  const measure = tool(says.measure, says.measureLong, ask), stop = tool(says.stop, says.stopLong, halt);
  const progress = make('progress'), count = make('span', 'sl-proof-count'), run = make('div', 'sl-proof-run');
  message.setAttribute('role', 'status');
  verdict.setAttribute('role', 'status');
  progress.setAttribute('aria-label', says.progress);
  run.append(progress, count, stop);
  bar.append(under.box, steps.box, measure);
  result.append(line, verdict, plots, numbers);
  body.append(make('p', 'sl-caption', says.about), bar, run, message, result);
  root.append(body);
  result.hidden = run.hidden = true;

  const asked = () => ({
    run: now.run, subject: sightline.whole(now.subject), panel: now.panel, options: now.options,
    fill: under.list.value, steps: Number(steps.list.value),
  });

  function ask() {
    if (now.run === null || now.subject === null || measuring) return;
    askedKey = sightline.canonical(asked());
    props.value = {...asked(), ask: ++asks};
    trigger('measure', {});
    result.hidden = true;
    goes(true);
    say(says.waiting, '');
    stop.focus();
  }

  // What was asked for is given up: what still comes of it is not ours any more. Python says when it
  // has stopped, so that nothing new is stopped with it.
  function halt() {
    props.value = {ask: ++asks};
    trigger('halt', {});
    stop.disabled = true;
    result.hidden = true;
  }

  /** @type {(on: boolean) => void} */
  function goes(on) {
    measuring = on;
    run.hidden = !on;
    stop.disabled = false;
    progress.removeAttribute('value');
    count.textContent = '';
    body.setAttribute('aria-busy', String(on));
    follow();
  }

  // The last row is that of the random orders.
  /** @type {(result: MapTestResult) => HTMLElement} */
  function table({columns, rows}) {
    /** @type {(row: string[], i: number) => [HTMLTableCellElement, ...string[]]} */
    const named = ([label, ...cells], i) => {
      const name = make('th');
      name.append(swatch(i < rows.length - 1 ? i : null), label);
      return [name, ...cells];
    };
    return figureTable([says.map, ...columns], rows.map(named));
  }

  /** @type {(chart: CurveChart, word: string) => void} */
  function draw(chart, word) {
    const labels = [...chart.lines, ...chart.chance ? [chart.chance] : []].map(({label}) => label).join(', ');
    plots.replaceChildren(...FIGURES.map(name => {
      const {title, below} = says.plots[name];
      return plot(chart, name, {title, below, width: plots.clientWidth, alt: fill(says.alt, {title, word, labels})});
    }));
  }

  /** @type {(told: MapTestResult) => void} */
  function report(told) {
    const word = make('strong', '', told.word);
    word.dir = 'auto';
    line.replaceChildren(word, ` ${told.line}`);
    verdict.textContent = told.verdict;
    numbers.replaceChildren(table(told), make('p', 'sl-caption', told.rest));
  }

  function heard() {
    /** @type {Answered<MapTestProgress | MapTestResult> | {lost: true} | null} */
    const value = props.value;
    if (value && 'lost' in value && measuring && !stop.disabled) {
      result.hidden = true;
      goes(false);
      say(says.unreachable, 'error');
    }
    if (!value || 'lost' in value || value.asked !== asks) return;  // our own question coming back, or an answer to one before
    if ('done' in value) {
      Object.assign(progress, {max: value.total, value: value.done});
      count.textContent = value.busy;
      say('', '');
    } else if ('busy' in value) say(value.busy, '');
    if ('chart' in value && value.chart.lines.length) {
      if ('busy' in value) [line, verdict, numbers].forEach(part => part.replaceChildren());
      result.hidden = false;
      draw(value.chart, value.word);
      shownKey = askedKey;
    }
    if (!('busy' in value)) {
      const focused = run.contains(document.activeElement) || document.activeElement === document.body;
      goes(false);
      if ('kind' in value) say(value.text, value.kind);
      else say('', '');
      if ('rows' in value) report(value);
      else result.hidden = true;
      if (focused) measure.focus();
    }
    follow();
  }

  /** @type {(text: string, kind: string) => void} */
  function say(text, kind) {
    message.textContent = text;
    message.dataset.kind = kind;
  }

  // What was measured stays, marked as late once something else is chosen.
  function follow() {
    measure.disabled = measuring || now.run === null || now.subject === null;
    result.classList.toggle('sl-late', shownKey !== sightline.canonical(asked()));
  }

  sightline.on('run', () => {
    if (measuring && !stop.disabled) halt();
    result.hidden = true;
    say('', '');
  });
  sightline.on('run subject extra settings', follow);
  watch('value', heard);
}

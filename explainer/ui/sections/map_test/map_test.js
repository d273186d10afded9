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
import {longWork} from '../../../web/js/work.js';

/** @type {('insertion' | 'deletion')[]} */
const FIGURES = ['insertion', 'deletion'];

/**
 * Build the map test, once it is opened.
 * @param {Pick<Context<{value: FoldValue<MapTestProgress | MapTestResult, MapTestCall> | Lost, words: MapTestWords}>, 'element' | 'props' | 'trigger' | 'watch'>} context
 * @returns {void}
 */
export function unfold({element, props, trigger, watch}) {
  const root = partOf(element, '.sl-proof'), says = props.words, {now} = sightline;
  let asks = 0, shownKey = '', askedKey = '';

  const body = make('div', 'sl-proof-body'), bar = make('div', 'sl-proof-bar');
  const result = make('div', 'sl-proof-result'), line = make('p', 'sl-proof-line'), verdict = make('p', 'sl-proof-verdict');
  const plots = make('div', 'sl-proof-plots'), numbers = make('div', 'sl-proof-numbers sl-figures');
  const under = choose(says.fill, says.fills, follow), steps = choose(says.steps, says.stepChoices, follow);
  const measure = tool(says.measure, says.measureLong, ask), work = longWork(says, body, {halt, changed: follow});
  verdict.setAttribute('role', 'status');
  bar.append(under.box, steps.box, measure);
  result.append(line, verdict, plots, numbers);
  body.append(make('p', 'sl-caption', says.about), bar, work.box, work.message, result);
  root.append(body);
  result.hidden = true;

  const asked = () => ({
    run: now.run, subject: sightline.whole(now.subject), panel: now.panel, options: now.options,
    fill: under.list.value, steps: Number(steps.list.value),
  });

  function ask() {
    if (now.run === null || now.subject === null || work.going) return;
    askedKey = sightline.canonical(asked());
    props.value = {...asked(), ask: ++asks};
    trigger('measure', {});
    result.hidden = true;
    work.start();
  }

  // What was asked for is given up: what still comes of it is not ours any more. Python says when it
  // has stopped, so that nothing new is stopped with it.
  function halt() {
    props.value = {ask: ++asks};
    trigger('halt', {});
    work.halting();
    result.hidden = true;
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

  /** @type {(found: MapTestResult) => void} */
  function report(found) {
    const word = make('strong', '', found.word);
    word.dir = 'auto';
    line.replaceChildren(word, ` ${found.line}`);
    verdict.textContent = found.verdict;
    numbers.replaceChildren(table(found), make('p', 'sl-caption', found.rest));
  }

  function heard() {
    const {value} = props;
    if (value && 'lost' in value && work.stoppable) {
      result.hidden = true;
      work.end(says.unreachable, 'error');
    }
    if (!value || 'lost' in value || value.asked !== asks) return;  // our own question coming back, or an answer to one before
    if ('done' in value) work.step(value);
    else if ('busy' in value) work.say(value.busy, '');
    if ('chart' in value && value.chart.lines.length) {
      if ('busy' in value) [line, verdict, numbers].forEach(part => part.replaceChildren());
      result.hidden = false;
      draw(value.chart, value.word);
      shownKey = askedKey;
    }
    if (!('busy' in value)) {
      if ('rows' in value) report(value);
      else result.hidden = true;
      if ('kind' in value) work.end(value.text, value.kind);
      else work.end('', '', line);
    }
    follow();
  }

  // What was measured stays, marked as late once something else is chosen.
  function follow() {
    measure.disabled = work.going || now.run === null || now.subject === null;
    result.classList.toggle('sl-late', shownKey !== sightline.canonical(asked()));
  }

  sightline.on('run', () => {
    if (work.stoppable) halt();
    result.hidden = true;
    work.say('', '');
  });
  sightline.on('run subject extra settings', follow);
  watch('value', heard);
}

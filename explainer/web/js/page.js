// Start of the page's scripts: `document.sightline` holds the state, and mounts the parts of the page.
import {mount as backdrop} from './backdrop.js';
import {mount as examples} from './examples.js';
import {bring, fold} from './folds.js';
import {guard} from './guard.js';
import {mount as models} from './models.js';
import {mount as notice} from './notice.js';
import {mount as options} from './options.js';
import {mount as panel} from './panel.js';
import {refusal} from './refusal.js';
import {FOLDS, SECTIONS} from './sections.js';
import {evidenceSource} from './source.js';
import {sightline} from './state.js';
import {mount as tokens} from './tokens.js';
import {mount as mapView} from './view.js';
import {mount as words_beside} from './words_beside.js';

/** @type {(context: Context<ViewProps & {evidence: {module: string, runs: string}}, ViewServer>) => void} */
function view(context) {
  const {evidence, words} = context.props;
  guard(mapView(context, arrived => evidenceSource(evidence, arrived, words.unreachable)), context);
}

/** @type {Record<string, (context: Context<never, never>) => void>} */
const PARTS = {backdrop, examples, models, notice, options, panel, tokens, view, words_beside, ...SECTIONS};

// `context` is what Gradio hands to the script of a component; `events` are those that Python knows.
/** @type {(name: string, context: Context<never, never>, events: string[]) => void} */
function mount(name, context, events) {
  /** @type {Context['trigger']} */
  const trigger = (event, data) => {
    if (!events.includes(event)) throw new Error(`${name} declares no event ${event}`);
    context.trigger(event, data);
  };
  const {props: shared} = /** @type {Context<{value: unknown, constants: string}>} */ (context);
  const props = /** @type {never} */ (Object.defineProperty(JSON.parse(shared.constants), 'value', {
    get: () => shared.value, set(value) { shared.value = value; },
  }));
  /** @type {Context<never, never>} */
  const given = {...context, props, trigger, bring: part => bring(part, FOLDS[part])};
  if (FOLDS[name]) fold(name, FOLDS[name], given);
  else PARTS[name](given);
}

document.sightline ??= {...sightline, mount, refusal};

// A further question about the picture of the run that is shown. props.value to Python: a
// `FollowUpCall`. Events: ask, anew.
import {make, partOf} from '../../../web/js/dom.js';
import {sightline} from '../../../web/js/state.js';
import {tool} from '../../../web/js/toolbar.js';

/**
 * Build the field, once its fold is opened.
 * @param {Pick<Context<{value: FollowUpCall | null, words: ConversationWords}>, 'element' | 'props' | 'trigger'>} context
 * @returns {void}
 */
export function unfold({element, props, trigger}) {
  const root = partOf(element, '.sl-further'), says = props.words, {now} = sightline;
  const form = make('form', 'sl-editor'), field = make('textarea', 'sl-answer-text');
  const ask = make('button', 'sl-tool', says.ask), anew = tool(says.anew, says.anew, start);
  /** @type {string | null} */
  let asked = null;
  field.rows = 1;
  field.dir = 'auto';
  field.placeholder = says.prompt;
  field.setAttribute('aria-label', says.prompt);
  ask.type = 'submit';
  form.append(field, ask, anew);
  root.append(form);

  function start() {
    trigger('anew', {});
    /** @type {HTMLElement | null} */ (document.querySelector('#sl-prompt textarea'))?.focus();
  }

  function show() {
    if (now.run !== null && asked !== null && now.run !== asked) field.value = '';  // it was answered
    if (now.run !== null) asked = null;
    ask.disabled = now.run === null;
    anew.hidden = !now.chips.some(({role}) => role === 'earlier_answer');
  }

  form.addEventListener('submit', event => {
    event.preventDefault();
    if (now.run === null || !field.value.trim()) return;
    asked = now.run;
    props.value = {run: now.run, prompt: field.value};
    trigger('ask', {});
  });
  field.addEventListener('keydown', event => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  sightline.on('run chips', show);
  show();
}

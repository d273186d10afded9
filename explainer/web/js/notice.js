// One sentence for the person, as plain text.
import {partOf} from './dom.js';

/**
 * Mount the line of notices.
 * @param {Pick<Context<{value: Partial<Message> | null}>, 'element' | 'props' | 'watch'>} context
 * @returns {void}
 */
export function mount({element, props, watch}) {
  const box = partOf(element, '.sl-notice');
  function show() {
    if (props.value?.text === undefined) return;
    box.textContent = props.value.text;
    box.dataset.kind = props.value.kind;
    box.setAttribute('role', props.value.kind === 'error' ? 'alert' : 'status');
  }
  watch('value', show);
  show();
}

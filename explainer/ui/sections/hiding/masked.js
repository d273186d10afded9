// Says of an answer that it is about a masked picture, and leads back to the one before.
// props.value from Python: {run, note, before}; to Python: `before`. Event: back.
import {make, partOf} from '../../../web/js/dom.js';
import {sightline} from '../../../web/js/state.js';
import {tool} from '../../../web/js/toolbar.js';

/**
 * Mount the note on an answer about a masked picture.
 * @param {Pick<Context<{value: MaskNote | MaskNote['before'] | null, words: HidingMaskedWords}>, 'element' | 'props' | 'trigger' | 'watch'>} context
 * @returns {void}
 */
export function mount({element, props, trigger, watch}) {
  const row = partOf(element, '.sl-masked'), text = make('span'), {now} = sightline;
  /** @type {Map<string | null, MaskNote>} */
  const known = new Map();
  text.setAttribute('role', 'status');
  row.append(text, tool(props.words.back, props.words.back, () => {
    props.value = known.get(now.run)?.before ?? null;
    trigger('back', {});
  }));

  function show() {
    const note = known.get(now.run), held = row.contains(document.activeElement);
    row.hidden = !note;
    text.textContent = note?.note ?? '';
    if (held && !note) queueMicrotask(() => document.querySelector('.sl-chip[tabindex="0"]')?.focus());  // once it is marked
  }

  function heard() {
    const {value} = props;
    if (value && 'note' in value) known.set(value.run, value);
    show();
  }

  sightline.on('run', show);
  watch('value', heard);
}

// The help: a button, and a dialog that lists all keys. The browser keeps the focus inside of an
// open dialog, closes it by Esc, and gives the focus back.
import {make, partOf} from '../../../web/js/dom.js';
import {sightline} from '../../../web/js/state.js';

/**
 * Mount the button of the help and its dialog.
 * @param {Pick<Context<{words: HelpDialogWords, keys: [string[], string][]}>, 'element' | 'props'>} context
 * @returns {void}
 */
export function mount({element, props}) {
  const root = partOf(element, '.sl-help'), {words, keys} = props;

  const dialog = make('dialog', 'sl-dialog'), title = make('h2', '', words.title), table = make('table', 'sl-keys');
  const open = make('button', 'sl-small', '?'), close = make('button', 'sl-small', words.close);
  title.id = 'sl-keys-title';
  dialog.setAttribute('aria-labelledby', title.id);
  open.setAttribute('aria-label', words.open);
  open.title = words.open;
  open.type = close.type = 'button';

  for (const [names, meaning] of keys) {
    const row = make('tr'), cell = make('th');
    cell.scope = 'row';
    cell.append(...names.flatMap((name, i) => [...(i ? [` ${words.or} `] : []), make('kbd', '', name)]));
    row.append(cell, make('td', '', meaning));
    table.append(row);
  }

  const show = () => { if (!dialog.open) dialog.showModal(); };
  open.addEventListener('click', show);
  close.addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close(); });
  document.addEventListener('keydown', event => {
    if (event.key !== '?' || !sightline.free(event)) return;
    event.preventDefault();
    show();
  });

  dialog.append(title, table, close);
  root.append(open, dialog);
}

// The menu of files to keep. Each is made by Python of what is shown, comes as base64 and goes
// straight to the browser's downloads. Server functions: save, progress.
import {fill, make} from './dom.js';
import {bytes} from './paint.js';
import {sightline} from './state.js';
import {choose, menu, tool} from './toolbar.js';

/**
 * Create the menu of files to keep.
 * @param {SaveWords} text
 * @param {Required<Pick<ViewServer, 'save' | 'progress'>>} server
 * @returns {HTMLElement}
 */
export function saveMenu(text, {save, progress}) {
  const LOOK_MS = 500;
  const status = make('p', 'sl-save-said'), list = make('div', 'sl-save'), {now} = sightline;
  const paper = choose(text.paper, text.papers, () => {});
  status.setAttribute('role', 'status');
  let busy = false;

  /** @type {(format: string, ticket: string) => Known<SaveCall> & {format: string}} */
  function asked(format, ticket) {
    const look = {...now.opacity !== null && {opacity: now.opacity}, cover: now.cover, colours: now.colours, theme: paper.list.value};
    const {run, panel, options} = now;
    return {run, subject: sightline.whole(now.subject), panel, options, format, look, ticket};
  }

  /** @type {(name: string, ticket: string) => Promise<void>} */
  async function follow(name, ticket) {  // films take a while
    while (busy) {
      await new Promise(done => setTimeout(done, LOOK_MS));
      const {done, total} = await progress(ticket).catch(() => /** @type {FilmProgress} */ ({}));
      if (busy && total) status.textContent = fill(text.frames, {name, done, total});
    }
  }

  /** @type {(format: string, name: string) => Promise<void>} */
  async function keep(format, name) {
    if (busy || now.run === null) return;
    const ticket = `${Math.random()}`;
    busy = true;
    list.classList.add('sl-waiting');
    status.dataset.kind = '';
    status.textContent = fill(text.busy, {name});
    follow(name, ticket);
    /** @type {SavedFile | Message} */
    const failed = {text: text.failed, kind: 'error'}, got = await save(asked(format, ticket)).catch(() => failed) ?? failed;
    busy = false;
    list.classList.remove('sl-waiting');
    if ('data' in got) {
      status.dataset.kind = '';
      status.textContent = `${fill(text.saved, {...got})} ${got.note}`.trim();
      return download(got);
    }
    status.dataset.kind = got.kind;
    status.textContent = got.text;
  }

  for (const [format, [name, meaning]] of Object.entries(text.formats)) {
    const button = tool(name, `${name}: ${meaning}`, () => keep(format, name)), row = make('div', 'sl-save-row');
    button.dataset.format = format;
    row.append(button, make('small', '', meaning));
    list.append(row);
  }
  const warning = make('p', 'sl-save-said');
  sightline.on('undrawable', () => { warning.textContent = now.undrawable; });
  const box = menu(text.save, text.saveLong, warning, list, paper.box, status);
  box.classList.add('sl-save-menu');
  return box;
}

/** @type {(file: SavedFile) => void} */
function download({name, mime, data}) {
  const link = make('a'), url = URL.createObjectURL(new Blob([bytes(data)], {type: mime}));
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

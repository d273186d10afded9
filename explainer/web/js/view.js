// The maps of what is explained, drawn over the picture. Until their evidence comes the last maps
// stay, marked as such. props.value from Python: {busy} and {text,
// kind} are messages, {endable} with it says that the work can be ended and {ended} that it was,
// {refresh} asks once more for what was refused.
import {comparing} from './compare.js';
import {childrenOf, fill, make, partOf} from './dom.js';
import {mapStore} from './maps.js';
import {methodMenu} from './methods.js';
import {covering} from './paint.js';
import {mapPanel} from './panels.js';
import {placeWords} from './places.js';
import {saveMenu} from './save.js';
import {sightline} from './state.js';
import {strip} from './strip.js';
import {check, choose, menu, tool} from './toolbar.js';
import {followZoom, zoomAt, zoomTo} from './zoom.js';

/**
 * Mount the maps.
 * @param {Pick<Context<ViewProps, ViewServer>, 'element' | 'props' | 'trigger' | 'server' | 'watch'>} context
 * @param {(arrived: () => void) => EvidenceSource} makeSource
 * @returns {{root: HTMLElement, message: HTMLElement, say(text: string, kind: string): void}} for the guard
 */
export function mount({element, props, trigger, server, watch}, makeSource) {
  const root = partOf(element, '.sl-view'), REST_BEFORE_MODEL_MS = 250, text = props.words;
  let needing = 0, needed = false, frame = 0, refused = false, endable = false, ending = false, waiting = false;

  const status = make('div', 'sl-status'), word = make('span', 'sl-word'), line = make('span', 'sl-line');
  const message = make('div', 'sl-message'), row = make('div', 'sl-maps');
  /** @type {Record<string, ReturnType<typeof mapPanel>>} */
  const panels = {};
  const act = tool(text.end, '', () => endable ? end(text.ended, 'note', text.again) : need()), told = make('div', 'sl-told');
  const tools = make('div', 'sl-toolbar'), said = make('p', 'sl-heard');
  word.dir = 'auto';
  said.setAttribute('role', 'status');
  status.append(word, line);
  const shots = strip(image => sightline.set({image}), text);
  if (!sightline.now.methods.length) sightline.set({methods: props.shown});
  const compare = comparing(text), source = makeSource(() => { share(); soon(); });
  const maps = mapStore(source, request => server.compared(request), () => soon(), text.unreachable);
  const wordsAt = placeWords(request => server.places(request), () => point());
  tools.append(...props.methods.length > 1 ? [methodMenu(props.methods, text)] : [], compare.box, looks(), whole());
  const {save, progress} = server;
  if (save && progress) tools.append(saveMenu(text.saving, {save, progress}));
  status.append(tools);
  told.append(message, act);
  root.append(make('p', 'sl-welcome', text.welcome), told, status, row, shots.box, said);
  root.classList.add('sl-empty');
  followZoom(root);

  // Others compute from the same evidence; a new object says that more has arrived.
  function share() { sightline.set({evidence: {source}}); }
  share();

  // How maps are drawn.
  function looks() {
    const drawing = choose(text.drawing, text.drawings, value => sightline.set({drawing: value}));
    const norm = choose(text.normalisation, text.normalisations, value => sightline.set({normalisation: value}));
    const contour = check(text.contour, text.contourLong, on => sightline.set({contour: on}));
    sightline.on('drawing contour normalisation', () => {
      const {now} = sightline;
      drawing.put(now.drawing);
      norm.put(now.normalisation);
      contour.put(now.contour);
    });
    const zoom = make('div', 'sl-pick');
    /** @type {(factor: number) => () => void} */
    const by = factor => () => zoomAt(sightline.now.zoom, factor);
    zoom.append(make('span', 'sl-name', text.zoom), tool('−', text.smaller, by(1 / 1.5)), tool('+', text.larger, by(1.5)));
    return menu(text.looks, text.looksLong, drawing.box, norm.box, contour.box, zoom);
  }

  // Says how far the maps are zoomed in, while they are; a click shows all of the picture.
  function whole() {
    const button = tool('', text.whole, () => zoomTo(1));
    button.classList.add('sl-whole');
    sightline.on('zoom', () => {
      const {scale} = sightline.now.zoom;
      button.textContent = `${scale.toFixed(1).replace('.0', '')}× ↺`;
      button.hidden = scale === 1;
    });
    return button;
  }

  /** @type {(map: MethodMap) => HTMLElement} */
  function drawMap(map) {
    const {pictures, image, tables, colours, cover, drawing, contour} = sightline.now;
    const table = covering(tables[map.signed ? props.diverging : colours ?? ''], Boolean(map.signed), cover);
    const part = panels[map.name] ??= mapPanel(map.name, text);
    part.draw(map, {
      picture: pictures.images[image], image, table, drawing, contour,
      summary: props.methods.find(m => m.name === map.name)?.summary ?? '',
    });
    return part.figure;
  }

  /** @type {(entry: Entry) => void} */
  function draw(entry) {
    const {run, pictures, image} = sightline.now;
    root.style.setProperty('--ratio', String(pictures.images[image].ratio));
    const figures = compare.arrange(entry).map(drawMap);
    if (figures.some((figure, i) => row.children[i] !== figure) || row.children.length !== figures.length) {
      row.replaceChildren(...figures);
    }
    shots.mark(entry.peaks, pictures.images);
    word.textContent = entry.word;
    Object.assign(root.dataset, {run, image, subject: sightline.canonical(entry.subject), chip: entry.subject.chip ?? ''});
    root.classList.remove('sl-empty');
    sightline.set({entry, beta: entry.beta ?? sightline.now.beta});
    point();
    root.dispatchEvent(new CustomEvent('drawn', {bubbles: true}));
  }

  // What stands at the place that is pointed at; without one, facts of the word.
  function point() {
    const {entry, probe} = sightline.now;
    const cells = childrenOf(row).map(figure => panels[figure.dataset.method ?? '']?.point());
    const here = probe && entry ? wordsAt(sightline.now.image, probe) : [];
    const at = probe && fill(here.length ? text.placeSays : text.place, {
      x: Math.round(100 * probe.x), y: Math.round(100 * probe.y), words: here.map(word => `“${word}”`).join(' '),
    });
    line.textContent = at ?? entry?.line ?? '';
    line.classList.toggle('sl-pointed', Boolean(at));
    const values = [...row.querySelectorAll('.sl-map')].map((figure, i) => cells[i] &&
      `${partOf(figure, 'strong').textContent} ${partOf(figure, '.sl-value').textContent}`);
    said.textContent = at && document.activeElement?.matches('.sl-frame') ? [at, ...values.filter(Boolean)].join(', ') : '';
  }

  // What the state asks for: drawn if it is here, else asked for.
  function show() {
    const {run, subject, peek, pictures} = sightline.now;
    if (run === null || subject === null || pictures.run !== run) return;  // the rest is on its way
    const found = maps.find(subject), peeked = peek && maps.find(peek, false);
    root.classList.toggle('sl-late', !found?.maps && !peeked?.maps);
    root.dataset.here = String(maps.here());
    if (found?.refused) refuse(found.refused);
    else if (found && refused) say('', ''), refused = false;
    const entry = peeked?.maps ? peeked : found;
    if (entry?.maps) draw(entry);
    if (found?.need && !needed && !sightline.now.playing) need();
  }

  // Have the model add what is missing, once for each word that is chosen.
  function need() {
    needed = true;
    needing = setTimeout(() => { ending ? waiting = true : trigger('need', {}); }, REST_BEFORE_MODEL_MS);
  }

  // End the making of maps, if any are made: a person does, or what is explained is another. It takes the
  // model a moment, and what is asked for before that would be lost.
  /** @type {(text: string, kind: string, offered?: string) => void} */
  function end(text, kind, offered) {
    if (!endable) return;
    [endable, ending] = [false, true];
    trigger('end', {});
    say(text, kind, offered);
  }

  function soon() {  // many changes of one moment are drawn once
    frame ||= requestAnimationFrame(() => { frame = 0; show(); });
  }

  /** @type {(refusal: Refusal) => void} */
  function refuse(refusal) {
    if (refusal.heard) return;
    const {busy, text = '', kind = ''} = refusal;
    refusal.heard = refused = true;
    say(busy ?? text, busy ? 'busy' : kind);
    if (refusal.need) need();
  }

  // Show a message, and beside it a button if it has a name.
  /** @type {(text: string, kind: string, offered?: string) => void} */
  function say(text, kind, offered = '') {
    message.textContent = text;
    message.dataset.kind = kind;
    message.setAttribute('role', kind === 'error' ? 'alert' : 'status');
    act.textContent = offered;
    act.hidden = !offered;
    root.classList.toggle('sl-busy', kind === 'busy');
  }

  function over() {
    ending = false;
    if (waiting) trigger('need', {});
    waiting = false;
  }

  function hear() {
    const value = props.value;
    if (value?.ended || value?.refresh) over();
    if (value?.ended || (ending && value?.endable)) return;
    if (!value?.endable && !value?.refresh) end('', '');
    if (value?.refresh) {
      refused = value.text === undefined;  // else that stays
      maps.refresh(sightline.now.subject);
      soon();
    }
    endable = Boolean(value?.endable);
    if (value?.busy) say(value.busy, endable ? 'making' : 'busy', endable ? text.end : '');  // maps that are made hold up no others
    else if (value?.text !== undefined) say(value.text, value.kind ?? '');
  }

  sightline.set({colours: sightline.now.colours ?? props.colours});
  sightline.on('run subject settings', changed => {
    maps.forgive();
    clearTimeout(needing);  // the slider goes on, or the choice
    needed = waiting = false;
    end('', '');
    const {kind} = message.dataset;
    if (changed.includes('run') || kind === 'busy' || kind === 'note' && !changed.includes('subject')) return;
    say('', '');  // what was said of the last one is over
  });
  sightline.on('run settings subjects extra', () => maps.fillSoon());
  sightline.on('run extra', () => { if (sightline.now.run !== null) source.of(sightline.now.run, sightline.now.extra.layer); });
  sightline.on('run subject extra peek playing settings pictures image colours cover drawing contour compare pair flipped', soon);
  sightline.on('pictures', () => shots.show(sightline.now.pictures.images, sightline.now.image));
  sightline.on('pictures image', () => { zoomTo(1); sightline.set({probe: null}); });
  sightline.on('zoom probe', point);
  watch('value', hear);
  hear();
  return {root, message, say};
}

// Answer at a glance: the words of the answer by their reliance on the picture, with those that do
// not need it set apart; asked for once a run while the section is open. Server function: rank.
import {make} from '../../../web/js/dom.js';
import {sightline} from '../../../web/js/state.js';

/**
 * Build the section, once it is opened.
 * @param {Pick<Context, 'element' | 'props' | 'server'>} context
 * @returns {void}
 */
export function unfold({element, props, server}) {
  const root = /** @type {HTMLDetailsElement} */ (element.querySelector('.sl-glance')), says = props.words, {now} = sightline;
  const body = make('div', 'sl-glance-body'), message = make('p', 'sl-glance-said'), strip = make('div', 'sl-glance-strip');
  let known = null, asked = null;
  message.setAttribute('role', 'status');
  body.append(make('p', 'sl-caption', says.about), message, strip);
  root.append(body);

  function word({subject, text, share, part, label}) {
    const item = make('li'), button = make('button', 'sl-glance-word'), name = make('span', '', text);
    button.type = 'button';
    button.title = label;
    button.setAttribute('aria-label', label);
    button.dataset.subject = sightline.canonical(subject);
    button.style.setProperty('--share', String(part));
    name.dir = 'auto';
    button.append(name, make('span', 'sl-share', share));
    button.addEventListener('click', () => sightline.set({subject, peek: null}));
    item.append(button);
    return item;
  }

  function group(name, title, found) {
    const box = make('section', `sl-glance-group sl-glance-${name}`), list = make('ol');
    list.append(...found.map(word));
    list.setAttribute('aria-label', title);
    box.append(make('h3', 'sl-role', title), found.length ? list : make('p', 'sl-caption', says.none));
    return box;
  }

  function draw() {
    const {words} = known;
    message.textContent = '';
    strip.replaceChildren(
      group('needs', says.needs, words.filter(({needed}) => needed)),
      group('free', says.free, words.filter(({needed}) => !needed)));
    mark();
  }

  function mark() {
    const chosen = sightline.canonical(now.subject);
    for (const button of strip.querySelectorAll('button')) button.setAttribute('aria-pressed', String(button.dataset.subject === chosen));
  }

  async function show() {
    const {run, rests} = now;
    if (!root.open) return;
    if (run === null || !rests) {
      known = asked = null;
      strip.replaceChildren();
      message.textContent = says.waiting;
      return;
    }
    if (asked === run) return;
    asked = run;
    let got;
    try {
      got = await server.rank({run});
    } catch { got = {text: says.unreachable}; }
    if (asked !== run) return;  // another answer came meanwhile
    if (got.words) {
      known = got;
      draw();
    } else {
      asked = null;
      message.textContent = got.text;
    }
  }

  root.addEventListener('toggle', show);
  sightline.on('run rests', show);
  sightline.on('subject', mark);
}

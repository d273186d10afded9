// Playing through the answer like a film: word by word, at a speed that can be changed.
import {fill, make} from './dom.js';
import {sightline} from './state.js';
import {tool} from './toolbar.js';

/**
 * Create the controls that play the answer word by word.
 * @param {() => number} chips how many chips the answer has
 * @param {PlayingWords} words
 * @returns {{box: HTMLElement, toggle(): void}}
 */
export function film(chips, words) {
  const {now} = sightline;
  const play = tool('▶', words.play, () => sightline.set({playing: !now.playing}));
  const speed = make('select', 'sl-choice sl-speed');
  let timer = 0;
  play.classList.add('sl-play');
  speed.append(...[.5, 1, 2, 4, 8].map(n => new Option(fill(words.speed, {n}), String(n))));
  speed.title = words.speedLong;
  speed.setAttribute('aria-label', words.speedLong);
  speed.addEventListener('change', () => sightline.set({speed: Number(speed.value)}));

  const answer = () => now.subjects.slice(0, chips());
  const at = () => answer().findIndex(s => sightline.key(s) === sightline.key(now.subject));

  function step() {
    const frames = answer(), next = at() + 1;
    if (next >= frames.length) return sightline.set({playing: false});
    sightline.set({subject: frames[next], peek: null});
  }

  sightline.on('playing', () => {
    play.textContent = now.playing ? '❚❚' : '▶';
    play.setAttribute('aria-label', now.playing ? words.pause : words.play);
    play.title = now.playing ? words.pause : words.play;
    if (now.playing && at() >= answer().length - 1) sightline.set({subject: answer()[0], peek: null});
  });
  sightline.on('run', () => sightline.set({playing: false}));
  // The next word comes when this one has been seen for its time, counted from when it was drawn.
  sightline.on('playing speed entry', () => {
    speed.value = String(now.speed);
    clearTimeout(timer);
    if (now.playing) timer = setTimeout(step, 1000 / now.speed);
  });
  const box = make('span', 'sl-film');
  box.append(play, speed);
  return {box, toggle: () => sightline.set({playing: !now.playing})};
}

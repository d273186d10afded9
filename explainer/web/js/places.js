// What the places of the picture say: the words that the model reads there. Asked for once a run,
// when somebody points at it first.
import {cellAt} from './probe.js';
import {sightline} from './state.js';

/**
 * Look up the words that the model reads at places of the picture; asked for once a run.
 * @param {ViewServer['places']} fetch
 * @param {() => void} arrived
 * @returns {(image: number, place: Place) => string[]} best first; none while they are not known
 */
export function placeWords(fetch, arrived) {
  /** @type {{run: string | null} & Partial<PlaceWords>} */
  let known = {run: null};

  /** @type {(run: string | null) => Promise<void>} */
  async function ask(run) {
    known = {run};
    /** @type {PlaceWords | Message | null} */
    let got;
    try {
      got = await fetch({run});
    } catch { got = null; }
    if (known.run === run && got && 'images' in got) known = {...got, run};
    arrived();
  }

  // The words at a place, best first; none while they are not known.
  return (image, place) => {
    const {run} = sightline.now;
    if (known.run !== run) ask(run);
    const {texts = [], images = []} = known, own = images[image], cell = own && cellAt(own, place);
    if (!cell) return [];
    const most = own.words.length / (own.shape[0] * own.shape[1]), at = (cell[0] * own.shape[1] + cell[1]) * most;
    return own.words.slice(at, at + most).map(number => texts[number]);
  };
}

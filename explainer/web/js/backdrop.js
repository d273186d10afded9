// The pictures under the maps: sent once for each run.
import {sightline} from './state.js';

/**
 * Mount the pictures under the maps.
 * @param {Pick<Context<{value: BackdropValue | null}>, 'props' | 'watch'>} context
 * @returns {void}
 */
export function mount({props, watch}) {
  function show() {
    const pictures = props.value;
    if (!pictures?.images) return;
    const {now} = sightline;
    sightline.set({pictures: {...pictures}, image: pictures.run === now.pictures.run ? now.image : 0});
  }
  watch('value', show);
  show();
}

// Has the model measure how much the words of a shown answer rest on the picture. props.value to
// Python: {run}; from Python: {run, rests}, or {why} if it could not be measured.
import {sightline} from '../../../web/js/state.js';

const REST_BEFORE_MEASURING_MS = 600;

/**
 * Ask for the reliance of each answer that is shown without.
 * @param {Pick<Context<{value: RelianceResult | RelianceRefusal | RunCall | null}>, 'props' | 'trigger' | 'watch'>} context
 * @returns {void}
 */
export function mount({props, trigger, watch}) {
  const {now} = sightline;
  let waiting = 0;

  // The maps come first; then the model reads the answer again, without the picture.
  function measureSoon() {
    const {run, rests, chips} = now;
    clearTimeout(waiting);
    if (run === null || rests || !chips.some(item => item.role === 'answer')) return;
    waiting = setTimeout(() => {
      props.value = {run};
      trigger('measure', {});
    }, REST_BEFORE_MEASURING_MS);
  }

  function measured() {
    const {value} = props;
    if (value && 'rests' in value && value.rests && value.run === now.run) sightline.set({rests: value.rests});
  }

  sightline.on('run rests', measureSoon);
  watch('value', measured);
}

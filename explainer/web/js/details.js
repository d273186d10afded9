// Facts of the chosen model, in the part that explains the page. (Runs after state.js.)
const box = element.querySelector('.sl-details');
sightline.on('model', () => { box.textContent = sightline.now.model?.details ?? ''; });

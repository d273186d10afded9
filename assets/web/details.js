// Facts of the chosen model, in the part that explains the page.
const box = element.querySelector('.sl-details');
document.addEventListener('sightline:model', event => { box.textContent = event.detail.details; });
document.dispatchEvent(new CustomEvent('sightline:ask'));

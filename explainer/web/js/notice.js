// One sentence for the person, as plain text.
const box = element.querySelector('.sl-notice');
function show() {
  if (props.value?.text === undefined) return;
  box.textContent = props.value.text;
  box.dataset.kind = props.value.kind;
  box.setAttribute('role', props.value.kind === 'error' ? 'alert' : 'status');
}
watch('value', show);
show();

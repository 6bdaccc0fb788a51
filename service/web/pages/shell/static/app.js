// The pages work without this file. It adds: the session's token to htmx's requests, toasts that leave, menus that close,
// amounts that group their digits, copy buttons, and a word when the server cannot be reached.

const token = () => document.querySelector('meta[name="form-token"]').content;

document.addEventListener('htmx:configRequest', (event) => {
  event.detail.headers['X-Form-Token'] = token();
});

// after another sign-in, in another tab, the forms of this tab go on: they need the new session's token
window.addEventListener('focus', async () => {
  if (!document.querySelector('[data-session-over]')) return;
  const answer = await fetch('/session', { headers: { 'HX-Request': 'true' } });
  if (!answer.ok) return;
  const fresh = (await answer.text()).trim();
  document.querySelector('meta[name="form-token"]').content = fresh;
  for (const field of document.querySelectorAll('input[name="form_token"]')) field.value = fresh;
  for (const toast of document.querySelectorAll('[data-session-over]')) toast.remove();
});

const showTemplate = (id) => {
  const toasts = document.getElementById('toasts');
  if (!toasts.querySelector(`[data-template="${id}"]`)) {
    toasts.append(document.getElementById(id).content.cloneNode(true));
  }
};
document.addEventListener('htmx:sendError', () => showTemplate('offline'));
document.addEventListener('htmx:timeout', () => showTemplate('offline'));

document.addEventListener('click', (event) => {
  event.target.closest('[data-dismiss]')?.closest('.toast').remove();
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    if (!menu.contains(event.target)) menu.open = false;
  }
  const copy = event.target.closest('[data-copy]');
  if (copy) {
    const source = document.getElementById(copy.dataset.copy);
    source.select();
    navigator.clipboard?.writeText(source.value).then(() => { copy.textContent = copy.dataset.done; });
  }
});
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  const menu = document.querySelector('details.menu[open]');
  if (!menu) return;
  menu.open = false;
  menu.querySelector('summary').focus();
});

// good news leaves after a while, errors stay until they are closed
const leave = (toast) => setTimeout(() => toast.matches(':hover, :focus-within') ? leave(toast) : toast.remove(), 6000);
for (const toast of document.querySelectorAll('.toast[data-leaves]')) leave(toast);

// an amount shows its groups when one leaves the field; what is typed is never changed meanwhile
document.addEventListener('focusout', (event) => {
  const field = event.target;
  if (field.matches?.('[data-money]') && /^[0-9]{4,15}$/.test(field.value.trim())) {
    field.value = field.value.trim().replace(/\B(?=(\d{3})+$)/g, document.documentElement.lang === 'vi' ? '.' : ',');
  }
});

// a live list stands still while somebody reads it; the next poll fetches what came meanwhile
document.addEventListener('htmx:beforeRequest', (event) => {
  const list = document.getElementById(event.detail.elt.dataset.live ?? '');
  if (list && (window.scrollY > 100 || list.matches(':hover, :focus-within') || document.hidden)) event.preventDefault();
});

// a text with line numbers: the numbers follow the lines, and an error leads to its place
document.addEventListener('input', (event) => {
  const gutter = document.querySelector(`[data-lines="${event.target.id}"]`);
  if (!gutter || !event.target.id) return;
  const lines = event.target.value.split('\n').length;
  event.target.rows = lines + 1;
  gutter.textContent = Array.from({ length: lines }, (_, index) => `${index + 1}\n`).join('');
});
document.addEventListener('click', (event) => {
  const link = event.target.closest('[data-line]');
  if (!link) return;
  event.preventDefault();
  const text = document.querySelector(link.getAttribute('href'));
  const before = text.value.split('\n').slice(0, Number(link.dataset.line) - 1);
  const caret = before.reduce((sum, line) => sum + line.length + 1, 0) + Number(link.dataset.column) - 1;
  text.focus();
  text.setSelectionRange(caret, caret);
});

// an answer that replaces the editor's form takes nothing that was typed or chosen while it was on its way: each such field
// gets it back and sends it, unless the answer has another field in its place
const fieldsOf = (form) => [...form.querySelectorAll(':is(input, select, textarea)[id]:not([type="hidden"])')];
const isTicked = (field) => ['checkbox', 'radio'].includes(field.type);
const stateOf = (field) => (isTicked(field) ? field.checked : field.value);
const labelOf = (field) => field.getAttribute('aria-label') ?? field.labels?.[0]?.textContent;
const sent = new WeakMap(); // of a request: the state of each field when it was sent
let late = []; // what changed since
let typing = null; // the field in which somebody types on
document.addEventListener('htmx:beforeSend', ({ detail }) => {
  if (detail.target.id !== 'editor') return;
  sent.set(detail.xhr, new Map(fieldsOf(detail.target).map((field) => [field.id, stateOf(field)])));
});
document.addEventListener('htmx:beforeSwap', ({ detail }) => {
  const before = sent.get(detail.xhr);
  if (!before) return;
  typing = null;
  late = fieldsOf(detail.target)
    .filter((field) => before.get(field.id) !== stateOf(field))
    .map((field) => ({ field, label: labelOf(field), caret: field.selectionStart, isFocused: field.matches(':focus') }));
});
document.addEventListener('htmx:afterSettle', () => {
  for (const { field, label, caret, isFocused } of late.splice(0)) {
    const fresh = document.getElementById(field.id);
    if (!fresh || labelOf(fresh) !== label) continue;
    if (isTicked(fresh)) fresh.checked = field.checked;
    else fresh.value = field.value;
    if (isFocused) {
      typing = fresh;
      if (typeof caret === 'number') fresh.setSelectionRange(caret, caret);
    }
    fresh.dispatchEvent(new Event('input', { bubbles: true }));
    fresh.dispatchEvent(new Event('change', { bubbles: true }));
  }
});

// the server names the element to focus after a swap: HX-Trigger-After-Settle: {"focusOn": "id"}. Who types on stays there.
document.addEventListener('focusOn', (event) => {
  (typing ?? document.getElementById(event.detail.value))?.focus();
  typing = null;
});

// an error that appears or goes while one types marks its field, too
document.addEventListener('htmx:oobAfterSwap', (event) => {
  const error = document.getElementById(event.detail.target.id); // the target itself is gone by now
  const field = error?.id.endsWith('-error') && document.getElementById(error.id.slice(0, -'-error'.length));
  if (!field) return;
  if (error.textContent) field.setAttribute('aria-invalid', 'true');
  else field.removeAttribute('aria-invalid');
});

// tables, codes and buttons that only make sense with JavaScript
for (const element of document.querySelectorAll('[data-needs-script]')) element.hidden = false;

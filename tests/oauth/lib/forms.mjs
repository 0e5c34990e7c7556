// The forms of an HTML page as a browser without scripts sees them. Good for pages of servers, not for hostile ones.
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", '#39': "'", '#x27': "'" };

export function unescape(text) {
  return text.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (whole, name) => {
    if (ENTITIES[name.toLowerCase()]) return ENTITIES[name.toLowerCase()];
    if (/^#x/i.test(name)) return String.fromCodePoint(parseInt(name.slice(2), 16));
    if (name[0] === '#') return String.fromCodePoint(parseInt(name.slice(1), 10));
    return whole;
  });
}

function attributes(tag) {
  const found = {};
  const pattern = /([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?/g;
  for (const [, name, double, single, bare] of tag.matchAll(pattern)) found[name.toLowerCase()] = unescape(double ?? single ?? bare ?? '');
  return found;
}

function controls(html) {
  const inputs = [...html.matchAll(/<input\b([^>]*)>/gi)].map(([, rest]) => attributes(rest));
  const buttons = [...html.matchAll(/<button\b([^>]*)>([\s\S]*?)<\/button>/gi)].map(([, rest, text]) => ({
    type: 'submit', ...attributes(rest), text: unescape(text.replace(/<[^>]*>/g, '')).trim(), button: true,
  }));
  return [...inputs.map((input) => ({ type: 'text', ...input, text: input.value ?? '' })), ...buttons];
}

// [{ action, method, fields: [{name, value, type, checked}], buttons: [{name, value, text}] }]
export function formsOf(html, address) {
  const tidy = html.replace(/<!--[\s\S]*?-->/g, '');
  const outside = controls(tidy.replace(/<form\b[\s\S]*?<\/form>/gi, ''));
  return [...tidy.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, rest, inside]) => {
    const form = attributes(rest);
    const own = [...controls(inside), ...outside.filter((control) => form.id && control.form === form.id)];
    const submits = (control) => control.type === 'submit' || control.type === 'image';
    return {
      action: new URL(form.action || address, address).href,
      method: (form.method ?? 'get').toUpperCase(),
      fields: own.filter((control) => !submits(control) && control.type !== 'button' && control.type !== 'reset'),
      buttons: own.filter(submits),
    };
  });
}

// What a browser would send: [name, value] pairs. `values` fills fields by name; `button` is the one that is pressed.
export function filled(form, values = {}, button) {
  const pairs = [];
  for (const field of form.fields) {
    if (!field.name) continue;
    const ticks = field.type === 'checkbox' || field.type === 'radio';
    if (ticks && field.checked === undefined && !(field.name in values)) continue;
    pairs.push([field.name, values[field.name] ?? field.value ?? (ticks ? 'on' : '')]);
  }
  if (button?.name) pairs.push([button.name, button.value ?? '']);
  return pairs;
}

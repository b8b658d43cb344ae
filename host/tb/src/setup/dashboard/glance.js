// How many devices are how, as `esptb tb status` counts them.
const count = (is) => data.filter((device) => device.entityName && is(device)).length;
const all = count(() => true), there = count(online);
const cards = [
  ['devices', all, FAINT],
  ['online', there, there === all ? GOOD : WARN],
  ['offline', all - there, there === all ? FAINT : WARN],
  ['lost samples', count((device) => number(device, 'Dropped') > 0), WARN],
  ['crashed', count((device) => device['Last crash']), BAD],
  ['certificate ends within ' + SOON + ' days', count((device) => days(device) < SOON), BAD],
];
const card = ([label, number, color]) =>
  '<div class="card"><b style="color: ' + (number ? color : FAINT) + '">' + number + '</b><span>' + label +
  '</span></div>';
return '<div class="cards">' + cards.map(card).join('') + '</div>';

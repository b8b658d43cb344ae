// When certificates end.
const steps = [
  ['has ended', -Infinity, 0, BAD],
  ['within a week', 0, 7, BAD],
  ['within a month', 7, 30, WARN],
  ['within 3 months', 30, 90, '#fbc02d'],
  ['within a year', 90, 365, '#66bb6a'],
  ['later', 365, Infinity, GOOD],
];
const devices = data.filter((device) => device.entityName);
const bars = steps.map(([label, from, to, color]) => [
  label, devices.filter((device) => days(device) >= from && days(device) < to).length, color,
]);
const silent = devices.filter((device) => days(device) === undefined).length;
if (silent) bars.push(['not told', silent, FAINT]);

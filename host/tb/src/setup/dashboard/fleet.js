// What the widgets below know of devices, by the labels of their keys (keys.rs). Kept as short as it may be:
// each widget carries a copy.
const number = (device, label) => Number(device[label]) || 0;
// As `Device::read` of host/tb/src/fleet.rs has it.
const online = (device) => {
  const heard = number(device, 'Last heard'), left = number(device, 'Disconnected');
  const connected = number(device, 'Connected');
  const active = String(device.Online) === 'true' || heard > number(device, 'Counted out');
  return active && connected > 0 && (connected >= left || heard > left + 1000);
};
// Until when its certificate is good, in days; undefined where it told nothing.
const days = (device) => {
  const end = number(device, 'Certificate ends');
  return end ? Math.floor((end - Date.now()) / 86400000) : undefined;
};
// What a device told is text, whatever it looks like.
const text = (value) =>
  String(value === undefined || value === null ? '' : value)
    .replace(/[^\p{L}\p{N} .,:+_/()-]/gu, (letter) => '&#' + letter.codePointAt(0) + ';');
const date = (ms, dateStyle = 'medium') =>
  Number(ms) ? new Date(Number(ms)).toLocaleString([], { dateStyle, timeStyle: 'short' }) : '';
const GOOD = '#2e7d32', WARN = '#ef6c00', BAD = '#c62828', FAINT = '#78909c';

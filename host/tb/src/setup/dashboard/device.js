// One device, as `esptb tb status NAME` tells it.
const device = data[0] || {};
const left = days(device);
const lines = [
  ['State', online(device) ? '<b style="color: ' + GOOD + '">online</b> since ' + date(device.Connected)
    : '<b style="color: ' + BAD + '">offline</b>, last heard ' + date(device['Last heard'])],
  ['Firmware', text(device.Updated || device.Firmware)],
  ['Chip', text(device.Chip)],
  ['Certificate', left === undefined ? '' : '<b style="color: ' + (left < SOON ? BAD : GOOD) + '">' +
    (left < 0 ? 'has ended' : left + ' days left') + '</b>, until ' + date(device['Certificate ends'])],
  ['Issued by', text(device['Issued by'])],
  ['Started by', text(device['Started by'])],
  ['Samples lost', text(device.Dropped)],
  ['Limit', text(device.Limit)],
  ['Refused', text(device.Refused)],
  ['Last crash', text(device['Last crash']) + (device['Crashed at'] ? '<br>' + text(device['Crashed at']) : '')],
];
return '<dl>' + lines.filter(([, told]) => told !== '')
  .map(([name, told]) => '<dt>' + name + '</dt><dd>' + told + '</dd>').join('') + '</dl>';

// One bar for each kind of device: `bars` are [label, how many, color].
const most = Math.max(1, ...bars.map(([, number]) => number));
const bar = ([label, number, color]) =>
  '<div class="bar"><span>' + text(label) + '</span><i style="background: ' + color +
  '; width: calc((100% - 160px) * ' + number / most + ')"></i><b>' + number + '</b></div>';
return '<div class="bars">' + bars.map(bar).join('') + '</div>';

-- Start: ARGV[4] room, [5] fence, [6] id of the broadcast, [7] window in ms or '', then the details in pairs of a name
-- and JSON. Returns fenced, or ok and the lease.
local room, fence, id, window = unpack(ARGV, 4, 7)

local l = read_lease(room)
if not holds(l, fence) then return { 'fenced' } end
if l.state == 'online' then
  l.state, l.broadcast, l.started, l.version = 'live', id, int(now), '0'
  if window ~= '' then l.window = window end
  for i = 8, #ARGV, 2 do l[ARGV[i]] = ARGV[i + 1] end
  tell_on_air(l, 'live.started')
  write_lease(l)
end
return done(flatten(l))

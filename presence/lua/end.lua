-- End: ARGV[4] room, [5] fence, [6] reason. The holder stays online. Returns fenced, or ok and the lease.
local room, fence, reason = unpack(ARGV, 4, 6)

local l = read_lease(room)
if not holds(l, fence) then return { 'fenced' } end
if l.state == 'live' then
  end_broadcast(l, 'online', reason)
  write_lease(l)
end
return done(flatten(l))

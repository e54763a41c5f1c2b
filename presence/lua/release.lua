-- Release: ARGV[4] room, [5] fence, [6] reason, [7] ms that the window lasts if the broadcast named none; 0: the reason
-- is final, whatever the broadcast named; [8] ms that it lasts at least. Returns fenced, or ok.
local room, fence, reason, window, least = unpack(ARGV, 4, 8)

local l = read_lease(room)
-- Its last holder may still end for good what is reconnecting: nobody has taken it since.
local last = l.state == 'reconnecting' and l.fence == fence and window == '0'
if not holds(l, fence) and not last then
  if forget_replaced(l, fence) then write_lease(l) end
  return { 'fenced' }
end
if l.handed and window ~= '0' then return done() end -- whoever comes next takes it over, until the deadline
release(l, reason, tonumber(window), tonumber(least))
write_lease(l)
return done()

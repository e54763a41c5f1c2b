-- Unclaim: undoes a claim of which nobody knows whether it was carried out, or will be yet.
-- ARGV[4] room, [5] connection and [6] node that claimed; [7] reason, [8] ms that the window lasts if the broadcast named
-- none, [9] ms that it lasts at least, should the lease have nobody to go back to; [10] 1: the connection is gone.
local room, connection, node, reason, window, least, gone = unpack(ARGV, 4, 10)

if gone == '1' then redis.call('SET', void_key(connection), '1', 'PX', late) end
local l = read_lease(room)
if not is_held(l) or l.connection ~= connection or l.node ~= node then
  if forget_replaced(l, connection) then write_lease(l) end
  return done()
end
if l.handed then return done() end -- whoever comes next takes it over, until the deadline
if not give_back(l) then release(l, reason, tonumber(window), tonumber(least)) end
write_lease(l)
return done()

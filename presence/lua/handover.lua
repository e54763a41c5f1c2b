-- Hand over: the holders' node is about to go. Their leases are tied to no node any more, and wait for their next claim.
-- ARGV[4…] room, fence and ms that the lease waits, in turn. Those that are held under another fence are passed over.
for i = 4, #ARGV, 3 do
  local room, fence, wait = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])
  local l = read_lease(room)
  if holds(l, fence) then
    l.life, l.handed = nil, ARGV[i + 2]
    redis.call('ZADD', KEYS[4], int(read_clock() + wait), room)
    write_lease(l)
  end
end
return done()

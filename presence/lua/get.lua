-- Get: the leases of some rooms as they stand. It reads nothing else, and so has none of what other scripts begin with: a
-- partition that was lost is answered as Get answers it, and put back by those who write.
--
-- KEYS[1] partition, by which the call finds its server
-- ARGV[1] base, as in partition.lua
-- ARGV[2] how many fields are wanted, then their names, then the rooms
--
-- Returns of each room the values of these fields, which are nil where nobody holds it.
local first = 3 + ARGV[2]
local leases = {}
for i = first, #ARGV do
  leases[#leases + 1] = redis.call('HMGET', ARGV[1] .. 'lease:' .. ARGV[i], unpack(ARGV, 3, first - 1))
end
return leases

-- key_set_many: store one value under each key, all or nothing
-- KEYS[1..] the keys, then their leases, none where no function computes such keys
-- ARGV[1] how many of KEYS are the keys
-- ARGV[2] ttl in ms, 0 none
-- ARGV[3] last or first: which writes arm the ttl
-- ARGV[4..] one encoded value a key
-- returns {'ok'}
-- writes KEYS[1..ARGV[1]]
-- empty {'ok'}
-- @include lib/entry
local count, kept = tonumber(ARGV[1]), {}
if ARGV[3] == 'first' then
  for i = 1, count do
    local there, grace, left = usable(KEYS[i], '')
    kept[i] = {grace, there and left}
  end
end
outdate(count + 1)
for i = 1, count do
  local grace, left = unpack(kept[i] or {})
  write(KEYS[i], ARGV[i + 3], ARGV[2], grace, left)
end
return {'ok'}

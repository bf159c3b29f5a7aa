-- key_set_many: store one value under each key, all or nothing
-- KEYS[1..] the keys
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3..] one encoded value a key
-- returns {'ok'}
-- writes KEYS[1..]
-- empty {'ok'}
-- @include lib/entry
for i, key in ipairs(KEYS) do
  local there, grace, left
  if ARGV[2] == 'first' then there, grace, left = usable(key, '') end
  write(key, ARGV[i + 2], ARGV[1], grace, there and left)
end
return {'ok'}

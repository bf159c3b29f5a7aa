-- key_set_many: store one value under each key, all or nothing
-- KEYS[1..] the keys
-- ARGV[1] ttl in ms, 0 none
-- ARGV[2] last or first: which writes arm the ttl
-- ARGV[3..] one encoded value a key
-- returns {'ok'}
for i, key in ipairs(KEYS) do
  if ARGV[2] == 'first' and redis.call('EXISTS', key) == 1 then
    redis.call('SET', key, ARGV[i + 2], 'KEEPTTL')
  elseif ARGV[1] == '0' then
    redis.call('SET', key, ARGV[i + 2])
  else
    redis.call('SET', key, ARGV[i + 2], 'PX', ARGV[1])
  end
end
return {'ok'}

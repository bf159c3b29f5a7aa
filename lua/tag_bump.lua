-- tag_bump: invalidate tags: each tag gets a new stamp of its own
-- KEYS[1..] the tags
-- ARGV[1] ttl in ms that a tag gets at least
-- ARGV[2..] one new stamp a tag, drawn for this message alone
-- returns {'ok'}
-- writes KEYS[1..]
-- empty {'ok'}
for i, tag in ipairs(KEYS) do
  local left = redis.call('PTTL', tag)
  if left == -1 then
    redis.call('SET', tag, ARGV[i + 1])
  else
    redis.call('SET', tag, ARGV[i + 1], 'PX', math.max(left, tonumber(ARGV[1])))
  end
end
return {'ok'}

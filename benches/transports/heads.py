"""Requests as Chromium 156 makes them for a page of the same origin, with a session cookie of 32 digits."""

COOKIE = "Cookie: session=0123456789abcdef0123456789abcdef"
AGENT = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
LANGUAGES = ["Accept-Encoding: gzip, deflate, br, zstd", "Accept-Language: en-US,en;q=0.9", COOKIE]
PLATFORM = 'sec-ch-ua-platform: "Linux"'
BRAND = 'sec-ch-ua: "Not:A-Brand";v="8", "Chromium";v="156"'


def lines(start, host, *fields):
    return "\r\n".join([f"{start} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode()


def site(host, *others):
    return [*others, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", f"Referer: http://{host}/"]


def fetch(path, host):
    fields = ["Connection: keep-alive", PLATFORM, AGENT, BRAND, "sec-ch-ua-mobile: ?0", "Accept: */*"]
    return lines(f"GET {path}", host, *fields, *site(host), *LANGUAGES)


def events(path, host):
    fields = ["Connection: keep-alive", PLATFORM, "Cache-Control: no-cache", AGENT, BRAND, "sec-ch-ua-mobile: ?0"]
    return lines(f"GET {path}", host, *fields, "Accept: text/event-stream", *site(host), *LANGUAGES)


def post(path, host, body):
    fields = ["Connection: keep-alive", f"Content-Length: {len(body)}", PLATFORM, AGENT, BRAND]
    fields += ["Content-Type: text/plain;charset=UTF-8", "sec-ch-ua-mobile: ?0", "Accept: */*"]
    return lines(f"POST {path}", host, *fields, *site(host, f"Origin: http://{host}"), *LANGUAGES) + body


def upgrade(path, host):
    fields = ["Connection: Upgrade", "Pragma: no-cache", "Cache-Control: no-cache", AGENT, "Upgrade: websocket"]
    fields += [f"Origin: http://{host}", "Sec-WebSocket-Version: 13", *LANGUAGES]
    fields += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    fields += ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"]
    return lines(f"GET {path}", host, *fields)

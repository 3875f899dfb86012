"""The same app for the servers of Python: address, scheme and host of the request, behind one trusted proxy."""

from werkzeug.middleware.proxy_fix import ProxyFix


def app(environ, start_response):
    body = f"{environ['REMOTE_ADDR']} {environ['wsgi.url_scheme']} {environ['HTTP_HOST']}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


application = ProxyFix(app, x_for=1, x_proto=1, x_host=1)

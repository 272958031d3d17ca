"""The AWS CLI behind a port: each request is one call of it, in a fork of this process. The CLI itself takes a second to load, and infra/up calls it forty times.

A request's body: folder to work in, file for the output, file for the errors, arguments, each ended by NUL. The answer is the exit status.
"""
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ForkingMixIn

from awscli.clidriver import create_clidriver
import awscli.customizations.s3.subcommands  # noqa: F401 - loaded here, once, instead of in each fork

driver = create_clidriver()
loader = driver.session.get_component('data_loader')
loader.load_data('endpoints')
for service in ('cloudformation', 's3', 'ssm', 'ec2', 'autoscaling', 'cloudwatch'):
    for kind in ('service-2', 'endpoint-rule-set-1'):
        loader.load_service_model(service, kind)


class Call(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['Content-Length'])).decode()
        folder, output, errors, *arguments = body.split('\0')[:-1]
        os.chdir(folder)
        for path, number in ((output, 1), (errors, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        try:
            status = driver.main(arguments)
        except SystemExit as end:
            status = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(status).encode())

    def log_message(self, *_):
        pass


class Server(ForkingMixIn, HTTPServer):
    pass


Server(('127.0.0.1', int(sys.argv[1])), Call).serve_forever()
